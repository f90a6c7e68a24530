// expect: weft: `my::svc` is no service for int: serve returns `std::string`, expected awaitable
// expect-clang: serve_returns_an_awaitable<my::svc, int, std::basic_string<char... weft: the first
// type is no service for the second: serve returns the third, expected awaitable
#include <weft/core/any_service.hpp>
#include <weft/core/layer.hpp>
namespace my {
struct svc {
    std::string serve(int) const { return {}; }
};
}  // namespace my
auto same = weft::layer_fn([](int n, const auto& next) { return next(n); });
auto app = same >> my::svc{};
auto called = weft::serve(app, 1);
