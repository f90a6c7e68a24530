// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "logfmt.hpp"
#include <weft/core/logfmt_observer.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <iterator>

namespace weft {
namespace {

using std::chrono::milliseconds;

void to_stderr(std::string_view line) { std::fwrite(line.data(), 1, line.size(), stderr); }

/// RFC 3339 in UTC. Days to a date as Howard Hinnant describes it ("chrono-Compatible Low-Level
/// Date Algorithms").
void append_timestamp(std::string& out, milliseconds since_1970) {
    constexpr std::int64_t day = 86'400'000;
    const std::int64_t ms = since_1970.count();
    const std::int64_t days = ms >= 0 ? ms / day : -((-ms + day - 1) / day);
    const std::int64_t of_day = ms - days * day;
    const std::int64_t z = days + 719468;
    const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    const std::int64_t doe = z - era * 146097;
    const std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const std::int64_t mp = (5 * doy + 2) / 153;
    const std::int64_t month = mp < 10 ? mp + 3 : mp - 9;
    fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                   yoe + era * 400 + (month <= 2 ? 1 : 0), month, doy - (153 * mp + 2) / 5 + 1,
                   of_day / 3'600'000, of_day / 60'000 % 60, of_day / 1000 % 60, of_day % 1000);
}

class logfmt_sink final : public observer_sink, public std::enable_shared_from_this<logfmt_sink> {
  public:
    explicit logfmt_sink(logfmt_options options)
        : observer_sink(options.minimum), options_(std::move(options)) {
        if (!options_.write) options_.write = to_stderr;
    }

    void emit(const log_record& r) noexcept override;
    std::unique_ptr<span_sink> start_span(const span_start&) noexcept override;
    void add(const measurement&) noexcept override;

    [[nodiscard]] bool hears(severity s) const noexcept { return s >= minimum(); }
    std::uint64_t id() {
        std::uint64_t n = 0;
        while (n == 0)  // zero is no id
            n = options_.random ? options_.random() : next_.fetch_add(1, std::memory_order_relaxed);
        return n;
    }
    [[nodiscard]] bool locations() const noexcept { return options_.locations; }
    void begin(std::string& line, severity s) const {
        line.reserve(256);
        if (options_.unix_time) {
            line += "time=";
            append_timestamp(line, options_.unix_time());
            line += ' ';
        }
        line.append("level=").append(to_string(s));
    }
    void finish(std::string& line, const std::source_location* where) const {
        if (where && options_.locations && where->line() != 0) {
            line += " at=";
            detail::append_logfmt_value(line,
                                        fmt::format("{}:{}", where->file_name(), where->line()));
        }
        line += '\n';
        options_.write(line);
    }

  private:
    logfmt_options options_;
    std::atomic<std::uint64_t> next_{1};
};

void append_key(std::string& line, std::string_view key) {
    line += ' ';
    detail::append_logfmt_key(line, key);
    line += '=';
}

void append_text(std::string& line, std::string_view key, std::string_view value) {
    append_key(line, key);
    detail::append_logfmt_value(line, value);
}

void append_attribute(std::string& line, const attribute& a) {
    append_key(line, a.key);
    std::visit(
        [&](auto v) {
            if constexpr (std::is_same_v<decltype(v), std::string_view>)
                detail::append_logfmt_value(line, v);
            else
                fmt::format_to(std::back_inserter(line), "{}", v);
        },
        a.value.get());
}

void append_context(std::string& line, const span_context& c) {
    if (!c.valid()) return;
    line.append(" trace=").append(c.trace_id_hex()).append(" span_id=").append(c.span_id_hex());
}

void append_time(std::string& line, std::string_view key, observed_time t) {
    if (!t) return;
    append_key(line, key);
    fmt::format_to(std::back_inserter(line), "{}ms", t->count());
}

template <std::size_t N>
void put_big_endian(std::array<std::uint8_t, N>& id, std::size_t at, std::uint64_t n) noexcept {
    for (int shift = 56; shift >= 0; shift -= 8) id[at++] = static_cast<std::uint8_t>(n >> shift);
}

/// What cannot be written (no memory, a writer that throws) is lost: telling must never hurt the
/// told.
template <class Work>
void quietly(Work&& work) noexcept {
    try {
        work();
    } catch (...) {  // NOLINT(bugprone-empty-catch)
    }
}

class logfmt_span final : public span_sink {
  public:
    logfmt_span(std::shared_ptr<logfmt_sink> sink, const span_start& s)
        : sink_(std::move(sink)),
          name_(s.name),
          kind_(s.kind),
          parent_(s.parent),
          start_(s.time),
          where_(s.where) {
        context_.sampled = true;
        if (parent_.valid()) {
            context_.trace_id = parent_.trace_id;
        } else {
            put_big_endian(context_.trace_id, 0, sink_->id());
            put_big_endian(context_.trace_id, 8, sink_->id());
        }
        put_big_endian(context_.span_id, 0, sink_->id());
        for (const attribute& a : s.attributes) append_attribute(attributes_, a);
    }

    [[nodiscard]] span_context context() const noexcept override { return context_; }
    void update_name(std::string_view name) noexcept override {
        quietly([&] { name_ = name; });
    }
    void set_attribute(const attribute& a) noexcept override {
        quietly([&] { append_attribute(attributes_, a); });
    }
    void add_event(std::string_view name, attribute_list attributes,
                   observed_time time) noexcept override {
        if (!sink_->hears(severity::info)) return;
        quietly([&] {
            std::string line;
            sink_->begin(line, severity::info);
            append_text(line, "event", name);
            append_time(line, "clock", time);
            for (const attribute& a : attributes) append_attribute(line, a);
            append_text(line, "span", name_);
            append_context(line, context_);
            sink_->finish(line, nullptr);
        });
    }
    void set_status(span_status status, std::string_view description) noexcept override {
        status_ = status;
        quietly([&] {
            description_ = status == span_status::error ? description : std::string_view();
        });
    }
    void end(observed_time time) noexcept override {
        const severity level = status_ == span_status::error ? severity::error : severity::info;
        if (!sink_->hears(level)) return;
        quietly([&] {
            std::string line;
            sink_->begin(line, level);
            append_text(line, "span", name_);
            append_text(line, "kind", to_string(kind_));
            if (status_ != span_status::unset) append_text(line, "status", to_string(status_));
            if (!description_.empty()) append_text(line, "description", description_);
            if (time && start_) append_time(line, "duration", *time - *start_);
            line += attributes_;
            append_context(line, context_);
            if (parent_.valid()) append_text(line, "parent", parent_.span_id_hex());
            sink_->finish(line, &where_);
        });
    }

  private:
    std::shared_ptr<logfmt_sink> sink_;
    std::string name_;
    std::string attributes_;  // as they will be printed
    std::string description_;
    span_kind kind_;
    span_status status_ = span_status::unset;
    span_context context_, parent_;
    observed_time start_;
    std::source_location where_;
};

void logfmt_sink::emit(const log_record& r) noexcept {
    quietly([&] {
        std::string line;
        begin(line, r.severity);
        append_text(line, "msg", r.body);
        append_time(line, "clock", r.time);
        for (const attribute& a : r.attributes) append_attribute(line, a);
        append_context(line, r.context);
        finish(line, &r.where);
    });
}

std::unique_ptr<span_sink> logfmt_sink::start_span(const span_start& s) noexcept {
    std::unique_ptr<span_sink> made;
    quietly([&] { made = std::make_unique<logfmt_span>(shared_from_this(), s); });
    return made;
}

void logfmt_sink::add(const measurement& m) noexcept {
    if (!hears(severity::trace)) return;
    quietly([&] {
        std::string line;
        begin(line, severity::trace);
        append_text(line, "counter", m.name);
        fmt::format_to(std::back_inserter(line), " add={}", m.value);
        if (!m.unit.empty()) append_text(line, "unit", m.unit);
        for (const attribute& a : m.attributes) append_attribute(line, a);
        append_context(line, m.context);
        finish(line, nullptr);
    });
}

}  // namespace

observer logfmt_observer(logfmt_options options) {
    return observer(std::make_shared<logfmt_sink>(std::move(options)));
}

}  // namespace weft
