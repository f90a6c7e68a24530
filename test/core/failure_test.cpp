// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>

#include <boost/asio/error.hpp>
#include <doctest/doctest.h>

#include <new>
#include <stdexcept>
#include <system_error>

using namespace weft;
namespace asio = boost::asio;

TEST_CASE("a failure says what was wrong and with which value") {
    failure f = failure(failure_kind::timeout, "no response header within 30 s")
                    .with("host", "shop.test")
                    .with("attempt", 2)
                    .in(failure_domain::protocol)
                    .delivered(delivery::not_sent)
                    .after(std::chrono::seconds(3));
    CHECK(std::string_view(f.what()) ==
          "timeout: no response header within 30 s host=shop.test attempt=2");
    CHECK(f.kind() == failure_kind::timeout);
    CHECK(f.domain() == failure_domain::protocol);
    CHECK(f.delivered() == delivery::not_sent);
    CHECK(f.retry_after() == std::chrono::seconds(3));
    CHECK(f.context("host") == "shop.test");
    CHECK(!f.context("port"));
    CHECK(std::string_view(f.where().file_name()).find("failure_test") != std::string_view::npos);
}

TEST_CASE("copies share, and changing one leaves the other alone") {
    static_assert(std::is_nothrow_copy_constructible_v<failure>);
    failure a = failure(failure_kind::rejected, "full");
    failure b = a;
    b = std::move(b).with("limit", 10);
    CHECK(std::string_view(a.what()) == "rejected: full");
    CHECK(std::string_view(b.what()) == "rejected: full limit=10");
}

TEST_CASE("a cause is printed and can be reached") {
    failure f = failure(failure_kind::unavailable, "all addresses failed")
                    .because(failure::from(asio::error::connection_refused, "connect"));
    REQUIRE(f.cause());
    CHECK(f.cause()->code() == asio::error::connection_refused);
    CHECK(std::string_view(f.what()) ==
          "unavailable: all addresses failed; caused by unavailable: connect (Connection refused)");
}

TEST_CASE("details are found by their type") {
    struct answer {
        int status;
    };
    failure f = failure(failure_kind::protocol, "bad request").detail(answer{400});
    REQUIRE(f.detail<answer>());
    CHECK(f.detail<answer>()->status == 400);
    CHECK(!f.detail<int>());
}

TEST_CASE("failure::from classifies anything") {
    auto classify = [](auto e) { return failure::from(std::make_exception_ptr(e)); };
    auto code = [](auto c) { return boost::system::system_error(make_error_code(c)); };
    CHECK(classify(code(asio::error::connection_refused)).kind() == failure_kind::unavailable);
    CHECK(classify(code(asio::error::eof)).kind() == failure_kind::unavailable);
    CHECK(classify(code(asio::error::host_not_found)).kind() == failure_kind::unavailable);
    CHECK(classify(code(asio::error::operation_aborted)).kind() == failure_kind::cancelled);
    CHECK(classify(code(asio::error::timed_out)).kind() == failure_kind::timeout);
    CHECK(classify(code(asio::error::no_descriptors)).kind() == failure_kind::exhausted);
    CHECK(classify(code(asio::error::access_denied)).kind() == failure_kind::rejected);
    CHECK(classify(code(asio::error::operation_aborted)).code() == asio::error::operation_aborted);
    CHECK(classify(std::system_error(std::make_error_code(std::errc::broken_pipe))).kind() ==
          failure_kind::unavailable);
    CHECK(classify(std::bad_alloc()).kind() == failure_kind::exhausted);
    CHECK(classify(std::runtime_error("odd")).kind() == failure_kind::internal);
    CHECK(std::string_view(classify(std::runtime_error("odd")).what()) == "internal: odd");
    CHECK(classify(42).kind() == failure_kind::internal);
    CHECK(failure::from(nullptr).kind() == failure_kind::internal);
    failure original(failure_kind::timeout, "slow");
    CHECK(std::string_view(classify(original).what()) == "timeout: slow");
}
