// expect: weft: `my::svc` is no service for std::string: it takes the request by reference, and
// must take it by value expect-clang: takes_its_request_by_value<my::svc, std::basic_string<char...
// weft: the first type is no service for the second: it takes the request by reference, and must
// take it by value
#include <weft/core/any_service.hpp>
namespace my {
struct svc {
    weft::awaitable<int> serve(const std::string&) const { co_return 1; }
};
}  // namespace my
weft::any_service<std::string, int> app = my::svc{};
