// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace weft::http {

/// How often something may happen: `burst` times at once, and `per_second` on average after that.
struct h2_rate {
    std::size_t burst = 0;
    std::size_t per_second = 0;
};

/// What a peer may do that costs it little and us much. Beyond one of these the connection ends
/// with GOAWAY(ENHANCE_YOUR_CALM). The defaults leave room for every client that means well.
struct h2_limits {
    /// Streams that end before their answer: by the peer's RST_STREAM (rapid reset,
    /// CVE-2023-44487), or by ours, because the peer broke the rules on them.
    h2_rate resets{100, 50};
    /// SETTINGS frames; each has to be acknowledged.
    h2_rate settings{20, 5};
    /// PING frames; each has to be answered.
    h2_rate pings{50, 10};
    /// PRIORITY frames, and those of types that are not known: they say nothing.
    h2_rate ignored{200, 50};
    /// Frames that carry nothing: DATA without content that ends nothing, empty CONTINUATION.
    h2_rate empty_frames{50, 10};
    /// WINDOW_UPDATE frames, beside ten for each DATA frame that we sent.
    h2_rate window_updates{1000, 100};
    /// CONTINUATION frames of one header block.
    std::size_t continuations = 8;
    /// Frames that wait to be sent, while the peer goes on asking for more of them: answers to PING
    /// and SETTINGS, RST_STREAM.
    std::size_t waiting_frames = 1000;
    /// A header block that is this many times as large as it may be is not read to its end.
    std::size_t header_bomb = 8;
};

/// HTTP/2 (RFC 9113): what we say in SETTINGS, and what a peer may do.
///
///     http::server server(app, {.h2 = {.max_concurrent_streams = 250}});
struct h2_options {
    /// Streams that the peer may have open at once.
    std::uint32_t max_concurrent_streams = 100;
    /// The bytes of one body that lie here unread, before the peer has to wait.
    std::uint32_t stream_window = 64 * 1024;
    /// The same for all bodies of a connection together. 0: enough for all streams, so that bodies
    /// that nobody reads never stop another one.
    std::uint32_t connection_window = 0;
    /// The largest frame that is read; 16 KiB at least (RFC 9113 6.5.2).
    std::uint32_t max_frame_size = 16 * 1024;
    /// The memory of header compression, for each direction.
    std::uint32_t header_table_size = 4096;
    /// A server: says that CONNECT with a :protocol is understood (RFC 8441).
    bool extended_connect = true;
    /// Further settings, sent in this order behind ours.
    std::vector<std::pair<std::uint16_t, std::uint32_t>> settings = {};
    /// A client: the order of :method, :authority, :scheme and :path, by their first letters.
    std::string pseudo_header_order = "masp";
    /// How often a peer that says nothing is asked whether it is there, while streams are open;
    /// zero: never.
    std::chrono::milliseconds ping_interval = std::chrono::seconds(0);
    /// How long it may take to answer that.
    std::chrono::milliseconds ping_timeout = std::chrono::seconds(20);
    /// Against abuse.
    h2_limits limits = {};
};

/// In the extensions of a request: the :protocol of an extended CONNECT (RFC 8441). The method is
/// CONNECT and the target that of a GET. A server's handler answers it as a CONNECT, with 200 and
/// response::on_upgrade; a client inserts it to ask for one.
///
///     request.extensions().insert(http::extended_connect{"websocket"});
struct extended_connect {
    std::string protocol;
};

}  // namespace weft::http
