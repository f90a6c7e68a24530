// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/file_descriptor.hpp>

#include <string>
#include <vector>

namespace weft::net {

/// One descriptor that this process was started with.
struct inherited_descriptor {
    std::string name;  ///< from LISTEN_FDNAMES; "unknown" where the starter gave none
    file_descriptor descriptor;
};

/// Takes over the sockets that systemd, or any starter that does as it does (sd_listen_fds(3)),
/// gave to this process: LISTEN_FDS descriptors from number 3 on, meant for the process LISTEN_PID.
///
///     for (net::inherited_descriptor& each : net::take_inherited())
///         if (each.name == "web") web = net::listen_socket(std::move(each.descriptor));
///
/// For a server that has one socket of each name, the address "systemd:web" says the same. Empty
/// when nothing was given or it is meant for another process. What was taken before is not there
/// any more, whoever took it: weft marks each as close-on-exec when it is taken, and descriptors
/// that are marked are passed over. The environment is left as it is: programs that this one
/// starts see a LISTEN_PID that is not theirs. Throws failure, kind invalid_input, when the
/// variables make no sense.
std::vector<inherited_descriptor> take_inherited();

}  // namespace weft::net
