// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

// Records, spans and counters: what a program tells about itself, and to whom is decided elsewhere.
// The words are OpenTelemetry's (severity, attribute, span kind, span status, instrument), so an
// exporter is a thin shell.
//
//     log(req.extensions(), severity::warn, "slow upstream", {{"peer", peer}, {"ms", 812}});
//     span s(req.extensions(), "charge card", {.kind = span_kind::client});
//     retries.add(req.extensions());      // a constexpr counter; the span is the newest's child
//
// Silent by default: an `observer` travels in the extensions of the request or of its connection,
// and without one each of these costs a look-up and a branch. There is no global. Nothing here
// throws, blocks (unless its sink does) or awaits. What is given is printed and exported: a
// secret<T> does not compile as a value.

namespace weft {

class failure;

/// OpenTelemetry's severity numbers.
enum class severity : unsigned char {
    trace = 1,
    debug = 5,
    info = 9,
    warn = 13,
    error = 17,
    fatal = 21,
    off = 255  ///< as a minimum: no records
};
enum class span_kind : unsigned char { internal, server, client, producer, consumer };
enum class span_status : unsigned char { unset, ok, error };

std::string_view to_string(severity) noexcept;
std::string_view to_string(span_kind) noexcept;
std::string_view to_string(span_status) noexcept;

/// The value of an attribute: a truth value, a number or text. It refers to text and owns none: for
/// the time of one call.
class attribute_value {
  public:
    using variant = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view>;

    // NOLINTBEGIN(google-explicit-constructor): an attribute is written as {"key", value}
    template <std::same_as<bool> T>
    attribute_value(T v) noexcept : value_(v) {}
    template <std::signed_integral T>
        requires(!std::same_as<T, char>)
    attribute_value(T v) noexcept : value_(static_cast<std::int64_t>(v)) {}
    template <std::unsigned_integral T>
        requires(!std::same_as<T, bool> && !std::same_as<T, char>)
    attribute_value(T v) noexcept : value_(static_cast<std::uint64_t>(v)) {}
    template <std::floating_point T>
    attribute_value(T v) noexcept : value_(static_cast<double>(v)) {}
    attribute_value(const char* text) noexcept
        : value_(text ? std::string_view(text) : std::string_view()) {}
    template <class T>
        requires(std::convertible_to<const T&, std::string_view> && !std::is_pointer_v<T>)
    attribute_value(const T& text) noexcept : value_(static_cast<std::string_view>(text)) {}
    template <class T>
    attribute_value(const secret<T>&) {
        static_assert(!is_secret<secret<T>>,
                      "weft: a secret cannot be an attribute: attributes are printed and exported");
    }
    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] const variant& get() const noexcept { return value_; }

  private:
    variant value_;
};

/// OpenTelemetry's names are dotted and lower case: "http.response.status_code".
struct attribute {
    std::string_view key;
    attribute_value value;
};

/// Attributes for the time of one call: written in braces, or seen in an array or vector.
class attribute_list {
  public:
    attribute_list() noexcept = default;
    // NOLINTBEGIN(google-explicit-constructor)
#if defined(__GNUC__) && !defined(__clang__)
    // The braces of an argument live until the call is over.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"
#endif
    attribute_list(std::initializer_list<attribute> list) noexcept
        : attributes_(list.begin(), list.size()) {}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
    template <class R>
        requires std::convertible_to<const R&, std::span<const attribute>>
    attribute_list(const R& list) noexcept : attributes_(list) {}
    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] auto begin() const noexcept { return attributes_.begin(); }
    [[nodiscard]] auto end() const noexcept { return attributes_.end(); }
    [[nodiscard]] std::size_t size() const noexcept { return attributes_.size(); }
    [[nodiscard]] bool empty() const noexcept { return attributes_.empty(); }

  private:
    std::span<const attribute> attributes_;
};

/// Which span: what travels in extensions, and between programs in `traceparent` (W3C Trace
/// Context). The newest in a store is the parent of what starts from it.
struct span_context {
    std::array<std::uint8_t, 16> trace_id{};
    std::array<std::uint8_t, 8> span_id{};
    bool sampled = false;
    bool remote = false;  ///< came from another program

    /// Neither id is all zero.
    [[nodiscard]] bool valid() const noexcept;
    [[nodiscard]] std::string trace_id_hex() const;
    [[nodiscard]] std::string span_id_hex() const;
    friend bool operator==(const span_context&, const span_context&) = default;
};

/// Coarse steady time from the store's tick source, when it has one.
using observed_time = std::optional<std::chrono::milliseconds>;

// ---- for those who export ----------------------------------------------------------------------

/// One record. Refers to the caller's memory: copy what is kept.
struct log_record {
    weft::severity severity{};
    std::string_view body = {};
    attribute_list attributes = {};
    span_context context = {};  ///< the span it belongs to, or not valid
    observed_time time = {};
    std::source_location where = {};
};

struct span_start {
    std::string_view name = {};
    span_kind kind = span_kind::internal;
    span_context parent = {};  ///< not valid: the first of its trace
    attribute_list attributes = {};
    observed_time time = {};
    std::source_location where = {};
};

/// The exporter's side of a span that runs. Used by one thread at a time; destroyed after `end`.
class span_sink {
  public:
    virtual ~span_sink() = default;
    [[nodiscard]] virtual span_context context() const noexcept = 0;
    virtual void update_name(std::string_view name) noexcept = 0;
    virtual void set_attribute(const attribute&) noexcept = 0;
    virtual void add_event(std::string_view name, attribute_list, observed_time) noexcept = 0;
    virtual void set_status(span_status, std::string_view description) noexcept = 0;
    virtual void end(observed_time) noexcept = 0;
};

enum class instrument_kind : unsigned char { counter, up_down_counter };

struct measurement {
    instrument_kind kind{};
    std::string_view name, unit, description;  ///< live as long as the program
    std::int64_t value = 0;
    attribute_list attributes = {};
    span_context context = {};
};

/// What an exporter implements; several threads call it at once. Do not throw, and do not block for
/// long: the caller is on its way to answer someone. What is not overridden is silent.
class observer_sink {
  public:
    explicit observer_sink(weft::severity minimum = severity::info) noexcept : minimum_(minimum) {}
    observer_sink(const observer_sink&) = delete;
    observer_sink& operator=(const observer_sink&) = delete;
    virtual ~observer_sink() = default;

    virtual void emit(const log_record&) noexcept {}
    /// Null: this span is not observed.
    virtual std::unique_ptr<span_sink> start_span(const span_start&) noexcept { return nullptr; }
    virtual void add(const measurement&) noexcept {}

    /// Records below this never reach `emit`. May be changed while it runs.
    [[nodiscard]] weft::severity minimum() const noexcept {
        return minimum_.load(std::memory_order_relaxed);
    }
    void set_minimum(weft::severity s) noexcept { minimum_.store(s, std::memory_order_relaxed); }

  private:
    std::atomic<weft::severity> minimum_;
};

// ---- for those who tell ------------------------------------------------------------------------

/// Who listens: a handle on a sink that travels in extensions. Insert it into the request's or the
/// connection's store; the newest counts, and a request's own hides its connection's. An observer
/// without sink silences.
///
///     #include <weft/core/logfmt_observer.hpp>
///     connection.extensions().insert(weft::logfmt_observer());
class observer {
  public:
    observer() noexcept = default;
    explicit observer(std::shared_ptr<observer_sink> sink) noexcept : sink_(std::move(sink)) {}

    [[nodiscard]] const std::shared_ptr<observer_sink>& sink() const noexcept { return sink_; }
    [[nodiscard]] bool enabled(severity s) const noexcept {
        return sink_ && s >= sink_->minimum() && s != severity::off;
    }
    explicit operator bool() const noexcept { return sink_ != nullptr; }

  private:
    std::shared_ptr<observer_sink> sink_;
};

/// The observer of this store, its parents, or the connections it is linked to (ingress first);
/// nullptr: nobody listens.
inline const observer* observer_of(const extensions& ext) noexcept {
    const observer* o = ext.get_anywhere<observer>();
    return o && *o ? o : nullptr;
}

/// Whether a record would be heard: to ask before making a costly text.
inline bool observed(const extensions& ext, severity s) noexcept {
    const observer* o = observer_of(ext);
    return o && o->enabled(s);
}

namespace detail {
void emit(const observer&, const extensions&, severity, std::string_view body, attribute_list,
          std::source_location) noexcept;
void add(const observer&, const extensions&, measurement&) noexcept;
}  // namespace detail

/// Tells one thing: a fixed text, what varies as attributes.
/// It belongs to the newest span_context in `ext`.
inline void log(const extensions& ext, severity s, std::string_view body,
                attribute_list attributes = {},
                std::source_location where = std::source_location::current()) noexcept {
    if (const observer* o = observer_of(ext); o && o->enabled(s))
        detail::emit(*o, ext, s, body, attributes, where);
}

struct span_options {
    span_kind kind = span_kind::internal;
    attribute_list attributes = {};
    /// Null: the newest span_context in the extensions.
    const span_context* parent = nullptr;
};

/// A piece of work with a beginning and an end. Ends when it is destroyed, so it stands in the
/// coroutine that does the work.
///
///     auto ext = req.extensions().fork();
///     span s(req.extensions(), "charge card", {.kind = span_kind::client});
///     s.enter(ext);                      // what starts from ext from now on is its child
///     ...
///     s.set_status(span_status::ok);
///
/// `enter` is apart from the constructor, because a store only grows: enter a fork that ends with
/// the work. Without an observer it holds nothing and each call is a branch. Move-only; used by one
/// thread at a time.
class span {
  public:
    /// Not observed.
    span() noexcept = default;
    span(const extensions& ext, std::string_view name, const span_options& options = {},
         std::source_location where = std::source_location::current()) noexcept {
        if (const observer* o = observer_of(ext)) start(*o, ext, name, options, where);
    }
    span(span&&) noexcept = default;
    span& operator=(span&& other) noexcept {
        end();
        sink_ = std::move(other.sink_);
        keep_ = std::move(other.keep_);
        ticks_ = std::move(other.ticks_);
        return *this;
    }
    ~span() { end(); }

    /// Whether anybody listens.
    explicit operator bool() const noexcept { return sink_ != nullptr; }
    /// Not valid when not observed.
    [[nodiscard]] span_context context() const noexcept {
        return sink_ ? sink_->context() : span_context{};
    }

    /// Makes it the parent of what starts from `ext` and its forks.
    void enter(const extensions& ext,
               std::source_location where = std::source_location::current()) const {
        if (sink_) ext.insert(sink_->context(), where);
    }

    void update_name(std::string_view name) noexcept {
        if (sink_) sink_->update_name(name);
    }
    void set_attribute(std::string_view key, attribute_value value) noexcept {
        if (sink_) sink_->set_attribute({key, value});
    }
    void add_event(std::string_view name, attribute_list attributes = {}) noexcept {
        if (sink_) sink_->add_event(name, attributes, ticks_.now());
    }
    /// `description` only for an error.
    void set_status(span_status status, std::string_view description = {}) noexcept {
        if (sink_) sink_->set_status(status, description);
    }
    /// The event "exception", as OpenTelemetry writes it, and the status error.
    void record_exception(const failure& f) noexcept {
        if (sink_) record(f);
    }
    /// Ends it now; calls after it do nothing.
    void end() noexcept {
        if (!sink_) return;
        sink_->end(ticks_.now());
        sink_.reset();
        keep_.reset();
    }

  private:
    void start(const observer&, const extensions&, std::string_view, const span_options&,
               std::source_location) noexcept;
    void record(const failure&) noexcept;

    std::shared_ptr<const void> keep_;  // the observer's sink; outlives sink_
    std::unique_ptr<span_sink> sink_;
    tick_source ticks_;
};

/// A sum that only grows: requests served, bytes sent. A constant; the sums are the exporter's.
///
///     inline constexpr weft::counter retries{"app.retries", "{retry}", "After the first."};
///     retries.add(req.extensions(), 1, {{"peer", peer}});
class counter {
  public:
    /// Literals: they must live as long as the program. `unit` is UCUM's, as OpenTelemetry asks
    /// ("By", "s", "{request}").
    constexpr counter(std::string_view name, std::string_view unit = {},
                      std::string_view description = {}) noexcept
        : name_(name), unit_(unit), description_(description) {}

    /// More than INT64_MAX at once counts as INT64_MAX.
    void add(const extensions& ext, std::uint64_t n = 1,
             attribute_list attributes = {}) const noexcept {
        if (const observer* o = observer_of(ext)) {
            const auto value = static_cast<std::int64_t>(n < INT64_MAX ? n : INT64_MAX);
            measurement m{
                instrument_kind::counter, name_, unit_, description_, value, attributes, {}};
            detail::add(*o, ext, m);
        }
    }

  private:
    std::string_view name_, unit_, description_;
};

/// A sum that also falls: open connections, items in a queue.
class up_down_counter {
  public:
    constexpr up_down_counter(std::string_view name, std::string_view unit = {},
                              std::string_view description = {}) noexcept
        : name_(name), unit_(unit), description_(description) {}

    void add(const extensions& ext, std::int64_t n, attribute_list attributes = {}) const noexcept {
        if (const observer* o = observer_of(ext)) {
            measurement m{
                instrument_kind::up_down_counter, name_, unit_, description_, n, attributes, {}};
            detail::add(*o, ext, m);
        }
    }

  private:
    std::string_view name_, unit_, description_;
};

}  // namespace weft
