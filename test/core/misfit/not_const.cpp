// expect: weft: `my::svc` is no service for int: serve must be const
// expect-clang: has_a_const_serve<my::svc, int>': weft: the first type is no service for the
// second: serve must be const
#include <weft/core/any_service.hpp>
namespace my {
struct svc {
    weft::awaitable<int> serve(int) { co_return 1; }
};
}  // namespace my
weft::any_service<int, int> app = my::svc{};
