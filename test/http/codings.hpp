// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Content in its codings, for tests.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

namespace codings {

inline std::string with_zlib(std::string_view text, int window) {
    z_stream s{};
    deflateInit2(&s, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
    std::string out(text.size() + text.size() / 100 + 256, '\0');
    s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    s.avail_in = static_cast<uInt>(text.size());
    s.next_out = reinterpret_cast<Bytef*>(out.data());
    s.avail_out = static_cast<uInt>(out.size());
    deflate(&s, Z_FINISH);
    out.resize(s.total_out);
    deflateEnd(&s);
    return out;
}

inline std::string gzip(std::string_view text) { return with_zlib(text, 15 + 16); }
inline std::string deflated(std::string_view text) { return with_zlib(text, 15); }
inline std::string bare_deflated(std::string_view text) { return with_zlib(text, -15); }

inline std::string br(std::string_view text) {
    std::string out(BrotliEncoderMaxCompressedSize(text.size()) + 64, '\0');
    std::size_t size = out.size();
    BrotliEncoderCompress(9, 22, BROTLI_MODE_GENERIC, text.size(),
                          reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                          reinterpret_cast<std::uint8_t*>(out.data()));
    out.resize(size);
    return out;
}

inline std::string zstd(std::string_view text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 9));
    return out;
}

}  // namespace codings
