// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "failures.hpp"
#include "names.hpp"
#include <weft/dns/overrides.hpp>

#include <boost/asio/error.hpp>

#include <charconv>

namespace weft::dns {

namespace asio = boost::asio;

namespace {

failure misread(std::string_view text, const char* what) {
    return failure(failure_kind::invalid_input, asio::error::invalid_argument,
                   std::string("this is no HOST:PORT:ADDRESS: ") + what)
        .with("text", text);
}

}  // namespace

override_entry parse_override(std::string_view text) {
    const auto first = text.find(':');
    const auto second = first == text.npos ? text.npos : text.find(':', first + 1);
    if (second == text.npos) throw misread(text, "two colons are missing");
    override_entry made;
    made.name = std::string(text.substr(0, first));
    if (made.name.empty()) throw misread(text, "the host is empty");
    const std::string_view port = text.substr(first + 1, second - first - 1);
    if (port != "*") {
        const char* const end = port.data() + port.size();
        const auto [stopped, error] = std::from_chars(port.data(), end, made.port);
        if (error != std::errc() || stopped != end || made.port == 0)
            throw misread(text, "the port is no number from 1 to 65535");
    }
    std::string_view rest = text.substr(second + 1);
    do {
        const auto comma = rest.find(',');
        std::string_view one = rest.substr(0, comma);
        rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
        if (one.starts_with('[') && one.ends_with(']')) one = one.substr(1, one.size() - 2);
        const auto address = detail::literal(one);
        if (!address) throw misread(text, "an address cannot be read");
        made.addresses.push_back(*address);
    } while (!rest.empty());
    return made;
}

overrides::overrides(std::vector<override_entry> entries) {
    for (override_entry& e : entries) {
        if (e.name.empty() || e.addresses.empty())
            throw failure(failure_kind::invalid_input,
                          "an override of the name resolution needs a name and addresses")
                .with("host", e.name);
        e.name = detail::plain(e.name);
    }
    entries_ = std::make_shared<const std::vector<override_entry>>(std::move(entries));
}

std::optional<answer> overrides::find(const net::resolve_request& what) const {
    const std::string name = detail::plain(what.name);
    const override_entry* best = nullptr;
    int best_rank = -1;
    for (const override_entry& e : *entries_) {
        if (e.port != 0 && e.port != what.port) continue;
        if (e.name != "*" && e.name != name) continue;
        const int rank = (e.name != "*" ? 2 : 0) + (e.port != 0 ? 1 : 0);
        if (rank <= best_rank) continue;
        best = &e;
        best_rank = rank;
    }
    if (!best) return std::nullopt;
    answer found;
    found.from = net::answer_source::static_entry;
    found.addresses = best->addresses;
    detail::keep(found, what.family);
    if (found.addresses.empty()) throw detail::no_address(what.name, what.family);
    return found;
}

}  // namespace weft::dns
