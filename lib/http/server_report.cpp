// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "server_report.hpp"

#include <weft/core/observe.hpp>

namespace weft::http::detail {

namespace {

constexpr up_down_counter connections{"weft.http.server.connections", "{connection}",
                                      "Connections that are being served."};
constexpr counter requests{"weft.http.server.requests", "{request}",
                           "Requests that an application answered."};
constexpr std::string_view status_code = "http.response.status_code";

severity severity_of(http::status s) noexcept {
    if (s == status::internal_server_error) return severity::error;
    return s.is_server_error() ? severity::warn : severity::debug;
}

}  // namespace

server_report::server_report(const extensions& of_connection,
                             const std::function<void(const failure&)>& told)
    : told_(told), listens_(observer_of(of_connection) != nullptr) {
    if (!listens_) return;
    store_ = of_connection.fork();
    connections.add(store_, 1);
}

server_report::~server_report() {
    if (listens_) connections.add(store_, -1);
}

void server_report::name_call(const request& r, std::string& call) {
    // What request::call_name gives, into memory that is there already. Now, because the request is
    // gone when the application has thrown.
    call.assign(r.method().text()).append(" ").append(r.path());
}

void server_report::count_request(http::status s) const {
    requests.add(store_, 1, {{status_code, s.code()}});
}

void server_report::threw(const failure& f, http::status s, std::string_view call) const {
    if (listens_)
        log(store_, severity_of(s), "the application failed",
            {{"call", call}, {status_code, s.code()}, {"error", f.what()}});
    if (told_ && s == status::internal_server_error) told_(failure(f).with("call", call));
}

void server_report::broke_off(const failure& f, std::string_view call) const {
    if (listens_)
        log(store_, severity::error, "the body of a response broke off",
            {{"call", call}, {"error", f.what()}});
    if (told_) told_(failure(f).with("call", call));
}

void server_report::refused(http::status s, std::string_view why) const {
    if (listens_)
        log(store_, severity::debug, "a request was refused",
            {{status_code, s.code()}, {"why", why}});
}

}  // namespace weft::http::detail
