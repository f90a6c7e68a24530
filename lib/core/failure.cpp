// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>

#include <boost/asio/error.hpp>

#include <new>

namespace weft {

namespace asio_error = boost::asio::error;

std::string_view to_string(failure_domain d) noexcept {
    switch (d) {
        case failure_domain::transport:
            return "transport";
        case failure_domain::protocol:
            return "protocol";
        case failure_domain::application:
            return "application";
        case failure_domain::local:
            return "local";
    }
    return "?";
}

std::string_view to_string(failure_kind k) noexcept {
    switch (k) {
        case failure_kind::unavailable:
            return "unavailable";
        case failure_kind::timeout:
            return "timeout";
        case failure_kind::rejected:
            return "rejected";
        case failure_kind::authentication:
            return "authentication";
        case failure_kind::protocol:
            return "protocol";
        case failure_kind::invalid_input:
            return "invalid_input";
        case failure_kind::cancelled:
            return "cancelled";
        case failure_kind::exhausted:
            return "exhausted";
        case failure_kind::internal:
            return "internal";
    }
    return "?";
}

std::string_view to_string(delivery d) noexcept {
    switch (d) {
        case delivery::not_sent:
            return "not_sent";
        case delivery::unknown:
            return "unknown";
        case delivery::processed:
            return "processed";
    }
    return "?";
}

namespace {

failure_kind kind_of(const boost::system::error_code& code) noexcept {
    namespace errc = boost::system::errc;
    if (code == errc::operation_canceled) return failure_kind::cancelled;
    if (code == errc::timed_out || code == errc::stream_timeout) return failure_kind::timeout;
    if (code == errc::connection_refused || code == errc::connection_reset ||
        code == errc::connection_aborted || code == errc::broken_pipe ||
        code == errc::host_unreachable || code == errc::network_unreachable ||
        code == errc::network_down || code == errc::network_reset || code == errc::not_connected ||
        code == errc::no_such_file_or_directory || code == asio_error::eof ||
        code.category() == asio_error::get_netdb_category() ||
        code.category() == asio_error::get_addrinfo_category())
        return failure_kind::unavailable;
    if (code == errc::not_enough_memory || code == errc::too_many_files_open ||
        code == errc::too_many_files_open_in_system || code == errc::no_buffer_space)
        return failure_kind::exhausted;
    if (code == errc::permission_denied || code == errc::operation_not_permitted)
        return failure_kind::rejected;
    if (code == errc::invalid_argument || code == errc::argument_out_of_domain ||
        code == errc::address_in_use || code == errc::address_not_available)
        return failure_kind::invalid_input;
    if (code == errc::protocol_error || code == errc::bad_message) return failure_kind::protocol;
    return failure_kind::internal;
}

failure_domain domain_of(failure_kind k) noexcept {
    switch (k) {
        case failure_kind::unavailable:
        case failure_kind::timeout:
        case failure_kind::authentication:
            return failure_domain::transport;
        case failure_kind::protocol:
            return failure_domain::protocol;
        default:
            return failure_domain::local;
    }
}

}  // namespace

struct failure::content {
    failure_kind kind{};
    failure_domain domain{};
    weft::delivery delivered = weft::delivery::unknown;
    std::optional<duration> retry_after;
    std::string message;
    std::source_location where;
    std::vector<std::pair<std::string, std::string>> context;
    std::vector<std::any> details;
    std::optional<failure> cause;
    std::string text;

    void write_text(const boost::system::error_code& code) {
        text.assign(to_string(kind)).append(": ").append(message);
        if (code) text.append(" (").append(code.message()).append(")");
        for (const auto& [key, value] : context)
            text.append(" ").append(key).append("=").append(value);
        if (cause) text.append("; caused by ").append(cause->what());
    }
};

failure::failure(failure_kind kind, std::string message, std::source_location where)
    : failure(kind, boost::system::error_code(), std::move(message), where) {}

failure::failure(failure_kind kind, boost::system::error_code code, std::string message,
                 std::source_location where)
    : boost::system::system_error(code), content_(std::make_shared<content>()) {
    content_->kind = kind;
    content_->domain = domain_of(kind);
    content_->message = std::move(message);
    content_->where = where;
    content_->write_text(code);
}

failure::failure(boost::system::error_code code, std::shared_ptr<content> c) noexcept
    : boost::system::system_error(code), content_(std::move(c)) {}

failure::failure(const failure&) noexcept = default;
failure& failure::operator=(const failure&) noexcept = default;
failure::~failure() = default;

failure failure::from(boost::system::error_code code, std::string message,
                      std::source_location where) {
    return {kind_of(code), code, std::move(message), where};
}

failure failure::from(std::exception_ptr e) noexcept {
    try {
        if (!e) return failure(failure_kind::internal, "no exception");
        std::rethrow_exception(std::move(e));
    } catch (const failure& f) {
        return f;
    } catch (const boost::system::system_error& s) {
        // A message of its own is kept; Boost appends the code's, which what() prints by itself.
        return from(s.code(), s.code().category().name());
    } catch (const std::system_error& s) {
        return from(boost::system::error_code(s.code()), s.code().category().name());
    } catch (const std::bad_alloc&) {
        return failure(failure_kind::exhausted, "out of memory");
    } catch (const std::exception& other) {
        return failure(failure_kind::internal, other.what());
    } catch (...) {
        return failure(failure_kind::internal, "an exception of unknown type");
    }
}

const char* failure::what() const noexcept { return content_->text.c_str(); }
failure_kind failure::kind() const noexcept { return content_->kind; }
failure_domain failure::domain() const noexcept { return content_->domain; }
weft::delivery failure::delivered() const noexcept { return content_->delivered; }
std::optional<failure::duration> failure::retry_after() const noexcept {
    return content_->retry_after;
}
std::string_view failure::message() const noexcept { return content_->message; }
std::source_location failure::where() const noexcept { return content_->where; }
const failure* failure::cause() const noexcept {
    return content_->cause ? &*content_->cause : nullptr;
}
const std::vector<std::pair<std::string, std::string>>& failure::context() const noexcept {
    return content_->context;
}
const std::vector<std::any>& failure::details() const noexcept { return content_->details; }

std::optional<std::string_view> failure::context(std::string_view key) const noexcept {
    for (const auto& [k, v] : content_->context)
        if (k == key) return v;
    return std::nullopt;
}

failure::content& failure::edit() {
    if (content_.use_count() > 1) content_ = std::make_shared<content>(*content_);
    return *content_;
}

void failure::add_detail(std::any d) { edit().details.push_back(std::move(d)); }

failure failure::with(std::string_view key, std::string_view value) && {
    content& c = edit();
    c.context.emplace_back(key, value);
    c.write_text(code());
    return std::move(*this);
}
failure failure::with(std::string_view key, long long value) && {
    return std::move(*this).with(key, std::string_view(std::to_string(value)));
}
failure failure::in(failure_domain d) && {
    edit().domain = d;
    return std::move(*this);
}
failure failure::delivered(weft::delivery d) && {
    edit().delivered = d;
    return std::move(*this);
}
failure failure::after(duration d) && {
    edit().retry_after = d;
    return std::move(*this);
}
failure failure::because(failure cause) && {
    content& c = edit();
    c.cause = std::move(cause);
    c.write_text(code());
    return std::move(*this);
}

}  // namespace weft
