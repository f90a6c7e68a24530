// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "commands.hpp"
#include "exit_status.hpp"
#include <weft/core/failure.hpp>
#include <weft/dns/cares_resolver.hpp>
#include <weft/dns/special_names.hpp>
#include <weft/dns/system_resolver.hpp>
#include <weft/runtime/run.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace weft::cli {

namespace {

constexpr std::string_view usage =
    "usage: weft resolve NAME [--type A|AAAA] [--system|--cares] [--server ADDRESS[:PORT]]\n"
    "  --type A|AAAA   IPv4 or IPv6 addresses only\n"
    "  --system        asks the operating system (getaddrinfo); the default\n"
    "  --cares         asks the name servers directly, which tell the time to live\n"
    "  --server ADDRESS[:PORT]   asks this name server (with --cares)\n"
    "Prints one address a line, with its time to live in seconds ('-' when it is not known) and "
    "where\n"
    "it came from. Status 1 when there is none, 2 for wrong arguments.\n";

int wrong(std::string_view why) {
    fmt::print(stderr, "weft resolve: {}\n", why);
    return 2;
}

awaitable<int> print_addresses(dns::resolver names, net::resolve_request what) {
    std::exception_ptr thrown;
    try {
        const dns::answer found = co_await names.serve(std::move(what));
        const std::string ttl = found.ttl ? std::to_string(found.ttl->count()) : "-";
        for (const auto& address : found.addresses)
            fmt::print("{}\t{}\t{}\n", address.to_string(), ttl, net::to_string(found.from));
        co_return 0;
    } catch (...) {
        thrown = std::current_exception();
    }
    const failure f = failure::from(std::move(thrown));
    if (f.kind() == failure_kind::cancelled)
        fmt::print(stderr, "weft resolve: interrupted\n");
    else
        fmt::print(stderr, "weft resolve: {}\n", f.what());
    co_return 1;
}

/// "192.0.2.53", "2001:db8::53", or one with a port.
net::endpoint server_of(std::string_view text) {
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(std::string(text), ec);
    return ec ? net::parse_endpoint(text) : net::endpoint(address, 53);
}

}  // namespace

int resolve(std::span<char*> arguments) {
    net::resolve_request what;
    bool cares = false;
    bool system = false;
    dns::cares_options options;
    try {
        for (std::size_t i = 0; i < arguments.size(); ++i) {
            const std::string_view a = arguments[i];
            const auto value = [&]() -> std::string_view {
                if (i + 1 >= arguments.size())
                    throw usage_error{fmt::format("{} needs a value", a)};
                return arguments[++i];
            };
            if (a == "--help" || a == "-h") {
                std::fwrite(usage.data(), 1, usage.size(), stdout);
                return 0;
            }
            if (a == "--type") {
                const std::string_view type = value();
                if (type != "A" && type != "AAAA")
                    return wrong(fmt::format("--type takes A or AAAA, not '{}'", type));
                what.family = type == "A" ? net::address_family::v4 : net::address_family::v6;
            } else if (a == "--cares") {
                cares = true;
            } else if (a == "--system") {
                system = true;
            } else if (a == "--server") {
                options.servers.push_back(server_of(value()));
                cares = true;
            } else if (a.starts_with("-") || !what.name.empty()) {
                return wrong(fmt::format("unexpected argument '{}'", a));
            } else {
                what.name = a;
            }
        }
        if (what.name.empty()) return wrong("say what to resolve");
        if (cares && system) return wrong("either --system or --cares and --server");
        dns::resolver names =
            cares ? dns::resolver(dns::special_names() >> dns::cares_resolver(options))
                  : dns::resolver(dns::special_names() >> dns::system_resolver());
        return weft::run(print_addresses(std::move(names), std::move(what)));
    } catch (const usage_error& e) {
        return wrong(e.why);
    } catch (const failure& f) {
        return wrong(f.what());
    }
}

}  // namespace weft::cli
