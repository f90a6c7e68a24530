// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The weft command: `weft serve`, `weft send`, `weft resolve` and `weft probe`.

#include "commands.hpp"

#include <cstdio>
#include <span>
#include <string_view>

namespace {

constexpr std::string_view usage =
    "usage: weft COMMAND [ARGUMENTS]\n"
    "\n"
    "  weft serve http-test|echo|discard --bind HOST:PORT [--threads N] [--tls-self-signed]\n"
    "      serves until SIGINT or SIGTERM; `weft serve --help` lists the routes\n"
    "  weft send [METHOD] URL [OPTIONS]\n"
    "      sends one HTTP request, with curl's options; `weft send --help` lists them\n"
    "  weft resolve NAME [--type A|AAAA] [--system|--cares] [--server ADDRESS[:PORT]]\n"
    "      prints the addresses of a name\n"
    "  weft probe tls HOST[:PORT] [OPTIONS]\n"
    "      says how a server speaks TLS, and who it is; `weft probe --help` lists the options\n"
    "  weft --version\n";

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> arguments(argv + 1, argc > 0 ? static_cast<std::size_t>(argc - 1) : 0);
    if (arguments.empty()) {
        std::fwrite(usage.data(), 1, usage.size(), stderr);
        return 2;
    }
    const std::string_view command = arguments[0];
    const auto rest = arguments.subspan(1);
    if (command == "serve") return weft::cli::serve(rest);
    if (command == "send") return weft::cli::send(rest);
    if (command == "resolve") return weft::cli::resolve(rest);
    if (command == "probe") return weft::cli::probe(rest);
    if (command == "--version") {
        std::puts("weft " WEFT_VERSION);  // set by meson.build
        return 0;
    }
    if (command == "--help" || command == "-h" || command == "help") {
        std::fwrite(usage.data(), 1, usage.size(), stdout);
        return 0;
    }
    std::fprintf(stderr, "weft: no command '%s'; see weft --help\n", arguments[0]);
    return 2;
}
