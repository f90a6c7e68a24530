// expect: weft: the service answers with another type than any_service<Req, Res> asks for
#include <weft/core/any_service.hpp>
namespace my {
struct svc {
    weft::awaitable<long> serve(int) const { co_return 1; }
};
}  // namespace my
weft::any_service<int, int> app = my::svc{};
