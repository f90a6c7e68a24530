// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/layer/matcher.hpp>

#include <algorithm>

namespace weft::http {

namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_text(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

int hex(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

bool unreserved(int c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/// Takes one character of a path: an escape is that of its byte, unless the byte needs none.
int take(std::string_view& path) noexcept {
    const char c = path.front();
    if (c == '%' && path.size() >= 3) {
        const int high = hex(path[1]);
        const int low = hex(path[2]);
        if (high >= 0 && low >= 0) {
            path.remove_prefix(3);
            const int byte = high * 16 + low;
            return unreserved(byte) ? byte : 256 + byte;
        }
    }
    path.remove_prefix(1);
    return static_cast<unsigned char>(c);
}

/// Takes `prefix` off the front of `path`; false when it is not there.
bool take_prefix(std::string_view& path, std::string_view prefix) noexcept {
    while (!prefix.empty()) {
        if (path.empty() || take(path) != take(prefix)) return false;
    }
    return true;
}

/// The host of an authority, without user, port and brackets.
std::string_view host_of(std::string_view authority) noexcept {
    if (const auto at = authority.rfind('@'); at != authority.npos) authority.remove_prefix(at + 1);
    if (authority.starts_with('[')) {
        const auto end = authority.find(']');
        return end == authority.npos ? authority : authority.substr(1, end - 1);
    }
    return authority.substr(0, authority.find(':'));
}

std::string_view host_of(const request& r) noexcept {
    const std::string_view target = r.target();
    if (r.method() == method::connect) return host_of(target);
    if (!target.starts_with('/'))
        if (const auto scheme = target.find("://"); scheme != target.npos) {
            const std::string_view rest = target.substr(scheme + 3);
            return host_of(rest.substr(0, rest.find_first_of("/?")));
        }
    return host_of(r.header("Host").value_or(""));
}

}  // namespace

bool method_is::operator()(const request& r) const noexcept {
    return std::find(any_.begin(), any_.end(), r.method()) != any_.end();
}

bool path_is::operator()(const request& r) const noexcept {
    std::string_view path = r.path();
    return take_prefix(path, path_) && path.empty();
}

path_under::path_under(std::string prefix) : prefix_(std::move(prefix)) {
    while (prefix_.ends_with('/')) prefix_.pop_back();
}

bool path_under::operator()(const request& r) const noexcept {
    std::string_view path = r.path();
    return take_prefix(path, prefix_) && (path.empty() || path.starts_with('/'));
}

host_is::host_is(std::string host) : host_(std::move(host)) {
    if (host_.starts_with('[') && host_.ends_with(']')) host_ = host_.substr(1, host_.size() - 2);
}

bool host_is::operator()(const request& r) const noexcept {
    std::string_view host = host_of(r);
    if (!host_.starts_with("*.")) return same_text(host, host_);
    const std::string_view suffix = std::string_view(host_).substr(1);
    return host.size() > suffix.size() &&
           same_text(host.substr(host.size() - suffix.size()), suffix);
}

bool header_is::operator()(const request& r) const noexcept {
    for (const field_view f : r.headers().get_all(name_))
        if (f.value == value_) return true;
    return false;
}

}  // namespace weft::http
