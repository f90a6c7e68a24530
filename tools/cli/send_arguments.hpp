// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "exit_status.hpp"
#include <weft/dns/overrides.hpp>
#include <weft/http/client_options.hpp>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::cli {

/// What `weft send` was asked for. The flags are curl's.
struct send_arguments {
    std::string method;
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;
    /// Names of fields that are not to be sent, although they would be.
    std::vector<std::string> removed;
    std::optional<std::string> data;
    /// In place of `data`: a file that is sent from the disk, never held whole.
    std::string data_file;
    bool form = false;
    std::string output;
    bool include = false;
    bool verbose = false;
    bool silent = false;
    bool show_error = false;
    bool fail = false;
    bool help = false;
    bool follow = false;
    unsigned max_redirects = 20;
    bool compressed = false;
    http::protocol protocol = http::protocol::automatic;
    bool insecure = false;
    std::string roots;        // --cacert
    std::string certificate;  // -E
    std::string key;
    std::vector<dns::override_entry> addresses;  // --resolve
    std::string write_out;
    std::optional<std::chrono::milliseconds> max_time;
    std::optional<std::chrono::milliseconds> connect_timeout;

    [[nodiscard]] bool has_body() const noexcept { return data || !data_file.empty(); }
    [[nodiscard]] bool complains() const noexcept { return !silent || show_error; }
};

extern const std::string_view send_usage;

/// Throws usage_error. Reads the files that `-d @FILE` names.
send_arguments parse_send(std::span<char*> arguments);

}  // namespace weft::cli
