// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/layer.hpp>
#include <weft/io/stream.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weft::testing {

/// What the suite needs to know of a layer; what it does on purpose is no broken law.
struct layer_suite_options {
    /// A failure of the service is the call's, and keeps its kind.
    bool passes_failures = true;
    /// The service is called exactly once for each call that it answers.
    bool calls_once = true;
    /// How many calls it bears at once: no limit of its own is lower. For the laws about places
    /// that must be given back a limit of less than 100 shows more.
    int at_once = 8;
};

namespace detail {

/// Writes a letter on the way in, and its capital on the way out.
class traced : public pipeable {
  public:
    traced(char name, std::shared_ptr<std::string> log) : name_(name), log_(std::move(log)) {}
    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        log_->push_back(name_);
        struct leave {
            const traced& of;
            ~leave() { of.log_->push_back(static_cast<char>(of.name_ - 'a' + 'A')); }
        } leaving{*this};
        co_return co_await next(std::move(request));
    }

  private:
    char name_;
    std::shared_ptr<std::string> log_;
};

}  // namespace detail

/// A layer in all the stacks that the laws want, with its type erased.
template <class Req, class Res>
struct layer_subject {
    using service = any_service<Req, Res>;
    using wrap = std::function<service(service)>;
    using wrap_traced = std::function<service(service, std::shared_ptr<std::string>)>;

    /// `make()` gives a fresh layer each time.
    template <class Make>
    layer_subject(Make make, layer_suite_options o)
        : options(o),
          alone([make](service s) -> service { return make() >> std::move(s); }),
          copied([make](service s) -> service {
              auto layer = make();
              auto copy = layer;
              auto moved = std::move(layer);
              static_cast<void>(moved);
              return copy >> std::move(s);
          }),
          twice([make](service s) -> service { return make() >> make() >> std::move(s); }),
          enabled([make](service s) -> service {
              return optional_layer(true, make()) >> std::move(s);
          }),
          disabled([make](service s) -> service {
              return optional_layer(false, make()) >> std::move(s);
          }),
          to_the_left([make](service s, std::shared_ptr<std::string> log) -> service {
              return ((detail::traced('a', log) >> make()) >> detail::traced('b', log)) >>
                     std::move(s);
          }),
          to_the_right([make](service s, std::shared_ptr<std::string> log) -> service {
              return detail::traced('a', log) >>
                     (make() >> (detail::traced('b', log) >> std::move(s)));
          }) {}

    layer_suite_options options;
    wrap alone, copied, twice, enabled, disabled;
    wrap_traced to_the_left, to_the_right;
};

/// One law that every layer keeps.
template <class Req, class Res>
struct layer_law {
    std::string_view name;  ///< a sentence
    void (*check)(const layer_subject<Req, Res>&);
};

namespace detail {
std::string outcome_of(const std::function<void()>& check);
}

/// Runs the laws of layers against one: for those who write a layer. This one is for layers around
/// services of io::stream, as an acceptor runs them; weft/http/testing/layer_suite.hpp has the one
/// for HTTP.
///
///     testing::layer_suite suite([] { return concurrency_limit(20); });
///     for (const testing::stream_layer_law& law : testing::layer_laws()) {
///         INFO(law.name);
///         CHECK(suite.check(law) == "");
///     }
///
/// The laws: it composes (with itself, with others, however the `>>` are grouped), calls the
/// service once, runs when the service fails, keeps a cancellation a cancellation, hands on bytes
/// as they come, bears many calls at once from one thread and from several, and leaves nothing
/// alive. In virtual time, but for the threads.
template <class Req, class Res>
class basic_layer_suite {
  public:
    /// `make()` gives a fresh layer each time; it must not fail.
    template <class Make>
    explicit basic_layer_suite(Make make, layer_suite_options options = {})
        : subject_(std::move(make), options) {}

    /// Empty when the law is kept, else what happened, with the line of the suite.
    [[nodiscard]] std::string check(const layer_law<Req, Res>& law) const {
        return detail::outcome_of([&] { law.check(subject_); });
    }

  private:
    layer_subject<Req, Res> subject_;
};

using layer_suite = basic_layer_suite<io::stream, void>;
using stream_layer_law = layer_law<io::stream, void>;

/// All laws of layers around services of io::stream.
std::span<const stream_layer_law> layer_laws();

}  // namespace weft::testing
