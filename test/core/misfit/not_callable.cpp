// expect: weft: `my::svc` is no service for int: it has no `serve(int) const`
// expect-clang: has_a_serve<my::svc, int>': weft: the first type is no service for the second: it
// has no `serve(Req) const`
#include <weft/core/any_service.hpp>
namespace my {
struct svc {};
}  // namespace my
weft::any_service<int, int> app = my::svc{};
