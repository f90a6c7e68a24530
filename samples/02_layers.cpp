// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Layers: middleware is a coroutine around the next service. They read in the order in which a
// request travels.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <fmt/core.h>

#include <string>

using namespace weft;
using namespace std::literals;

namespace {

/// A layer of your own: a value with `serve(request, next)`.
class require_token : public pipeable {
  public:
    explicit require_token(std::string token) : expected_("Bearer " + std::move(token)) {}

    template <class Next>
    awaitable<http::response> serve(http::request r, const Next& next) const {
        if (r.header("Authorization") != expected_) co_return http::text("who are you?\n", 401);
        co_return co_await next(std::move(r));
    }

  private:
    std::string expected_;
};

/// One that only edits the request is no coroutine: it returns what `next` gives, and costs a move.
const auto lower_case_host = [](http::request r, const auto& next) {
    std::string host(r.header("Host").value_or(""));
    for (char& c : host)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    r.headers().set("Host", host);
    return next(std::move(r));
};

const auto greet = [](http::request r) -> awaitable<http::response> {
    co_return http::text("this is " + std::string(r.header("Host").value_or("nobody")) + "\n");
};

awaitable<void> show(bool locked) {
    auto app = log_slow(200ms) >> http::timeout(5s) >>
               optional_layer(locked, require_token("s3cret")) >> layer_fn(lower_case_host) >>
               greet;
    http::client client{testing::mock_connector(http::server(app))};
    http::response without = co_await client.get("http://SHOP.test/").send();
    http::response with = co_await client.get("http://SHOP.test/")
                              .header("Host", "SHOP.test")
                              .header("Authorization", "Bearer s3cret")
                              .send();
    const std::string content = co_await with.body().text();
    fmt::print("locked={}: without a token {}, with it {} {}", locked, without.status().code(),
               with.status().code(), content);
}

}  // namespace

int main() {
    testing::run([] { return show(false); });
    testing::run([] { return show(true); });
}
