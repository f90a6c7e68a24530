// expect: weft: a request, response, stream, service or extensions cannot be an extension
#include <weft/core/extensions.hpp>

struct request {
    const weft::extensions& extensions() const { return store; }
    weft::extensions store;
};

void wrong(const weft::extensions& ext, request r) { ext.insert(std::move(r)); }
