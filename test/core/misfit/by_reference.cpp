// expect: weft: `my::svc` is no service for std::string: it takes the request by reference
// expect-clang: takes_its_request_by_value<my::svc, std::basic_string<char...by reference
#include <weft/core/any_service.hpp>
namespace my {
struct svc {
    weft::awaitable<int> serve(const std::string&) const { co_return 1; }
};
}  // namespace my
weft::any_service<std::string, int> app = my::svc{};
