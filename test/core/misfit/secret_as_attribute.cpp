// expect: weft: a secret cannot be an attribute: attributes are printed and exported
#include <weft/core/observe.hpp>

void wrong(const weft::extensions& ext, const weft::secret<int>& pin) {
    weft::log(ext, weft::severity::info, "login", {{"pin", pin}});
}
