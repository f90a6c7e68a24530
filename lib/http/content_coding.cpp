// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "content_decoder.hpp"
#include <weft/core/failure.hpp>

#include <algorithm>
#include <limits>
#include <new>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

namespace weft::http::detail {

void content_coding::corrupt(std::string_view why) const {
    throw failure(failure_kind::protocol, "the content cannot be decoded: " + std::string(why))
        .with("coding", name())
        .in(failure_domain::protocol)
        .delivered(delivery::processed);
}

namespace {

constexpr std::size_t at_once = std::numeric_limits<unsigned>::max() / 2;

/// gzip (RFC 1952) with any number of members, and deflate: zlib's format (RFC 1950), or, as some
/// servers have it, the bare one (RFC 1951).
class zlib_coding final : public content_coding {
  public:
    explicit zlib_coding(bool gzip) : gzip_(gzip) {
        if (gzip) begin(MAX_WBITS + 16);
    }
    ~zlib_coding() override {
        if (begun_) ::inflateEnd(&stream_);
    }

    step decode(std::string_view in, std::span<char> out) override {
        step done;
        if (!begun_) {
            // Two bytes tell zlib's header (RFC 1950 2.2).
            while (head_size_ < 2 && done.consumed < in.size())
                head_[head_size_++] = in[done.consumed++];
            if (head_size_ < 2) return done;
            const unsigned first = static_cast<unsigned char>(head_[0]);
            const unsigned second = static_cast<unsigned char>(head_[1]);
            const bool wrapped = (first & 0x0f) == 8 && (first << 8 | second) % 31 == 0;
            begin(wrapped ? MAX_WBITS : -MAX_WBITS);
        }
        if (head_used_ < head_size_) {
            const step s = inflate({head_ + head_used_, head_size_ - head_used_}, out);
            head_used_ += s.consumed;
            done.produced += s.produced;
            out = out.subspan(s.produced);
            if (head_used_ < head_size_ || out.empty()) return done;
        }
        const step s = inflate(in.substr(done.consumed), out);
        done.consumed += s.consumed;
        done.produced += s.produced;
        return done;
    }

    [[nodiscard]] bool complete() const noexcept override { return over_; }
    [[nodiscard]] std::string_view name() const noexcept override {
        return gzip_ ? "gzip" : "deflate";
    }

  private:
    void begin(int window) {
        if (::inflateInit2(&stream_, window) != Z_OK) throw std::bad_alloc();
        begun_ = true;
    }

    step inflate(std::string_view in, std::span<char> out) {
        if (over_) {
            if (in.empty()) return {};
            if (!gzip_) corrupt("it goes on behind its end");
            if (::inflateReset(&stream_) != Z_OK) corrupt("another member cannot begin");
            over_ = false;
        }
        in = in.substr(0, at_once);
        out = out.first(std::min(out.size(), at_once));
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
        stream_.avail_in = static_cast<uInt>(in.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(out.size());
        switch (::inflate(&stream_, Z_NO_FLUSH)) {
            case Z_OK:
            case Z_BUF_ERROR:  // nothing could be done
                break;
            case Z_STREAM_END:
                over_ = true;
                break;
            case Z_MEM_ERROR:
                throw std::bad_alloc();
            case Z_NEED_DICT:
                corrupt("it needs a dictionary");
            default:
                corrupt(stream_.msg ? stream_.msg : "corrupt");
        }
        return {in.size() - stream_.avail_in, out.size() - stream_.avail_out};
    }

    const bool gzip_;
    bool begun_ = false;
    bool over_ = false;
    char head_[2] = {};
    std::size_t head_size_ = 0;
    std::size_t head_used_ = 0;
    z_stream stream_{};
};

/// RFC 7932, without large windows: at most 16 MiB of memory.
class brotli_coding final : public content_coding {
  public:
    brotli_coding() : state_(::BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {
        if (!state_) throw std::bad_alloc();
    }
    ~brotli_coding() override { ::BrotliDecoderDestroyInstance(state_); }

    step decode(std::string_view in, std::span<char> out) override {
        if (::BrotliDecoderIsFinished(state_)) {
            if (!in.empty()) corrupt("it goes on behind its end");
            return {};
        }
        std::size_t in_left = in.size();
        std::size_t out_left = out.size();
        auto* next_in = reinterpret_cast<const std::uint8_t*>(in.data());
        auto* next_out = reinterpret_cast<std::uint8_t*>(out.data());
        if (::BrotliDecoderDecompressStream(state_, &in_left, &next_in, &out_left, &next_out,
                                            nullptr) == BROTLI_DECODER_RESULT_ERROR)
            corrupt(::BrotliDecoderErrorString(::BrotliDecoderGetErrorCode(state_)));
        return {in.size() - in_left, out.size() - out_left};
    }

    [[nodiscard]] bool complete() const noexcept override {
        return ::BrotliDecoderIsFinished(state_) == BROTLI_TRUE;
    }
    [[nodiscard]] std::string_view name() const noexcept override { return "br"; }

  private:
    BrotliDecoderState* state_;
};

/// RFC 8878, any number of frames, with the window that RFC 9659 allows: 8 MiB.
class zstd_coding final : public content_coding {
  public:
    zstd_coding() : state_(::ZSTD_createDStream()) {
        if (!state_) throw std::bad_alloc();
        ::ZSTD_initDStream(state_);
        ::ZSTD_DCtx_setParameter(state_, ZSTD_d_windowLogMax, 23);
    }
    ~zstd_coding() override { ::ZSTD_freeDStream(state_); }

    step decode(std::string_view in, std::span<char> out) override {
        if (complete_ && in.empty()) return {};
        ZSTD_inBuffer from{in.data(), in.size(), 0};
        ZSTD_outBuffer to{out.data(), out.size(), 0};
        const std::size_t left = ::ZSTD_decompressStream(state_, &to, &from);
        if (::ZSTD_isError(left)) corrupt(::ZSTD_getErrorName(left));
        complete_ = left == 0;
        return {from.pos, to.pos};
    }

    [[nodiscard]] bool complete() const noexcept override { return complete_; }
    [[nodiscard]] std::string_view name() const noexcept override { return "zstd"; }

  private:
    ZSTD_DStream* state_;
    bool complete_ = false;
};

bool same(std::string_view a, std::string_view lower) noexcept {
    return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
        return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + 32) : x) == y;
    });
}

}  // namespace

std::unique_ptr<content_coding> content_coding::make(std::string_view name) {
    if (same(name, "gzip") || same(name, "x-gzip")) return std::make_unique<zlib_coding>(true);
    if (same(name, "deflate")) return std::make_unique<zlib_coding>(false);
    if (same(name, "br")) return std::make_unique<brotli_coding>();
    if (same(name, "zstd")) return std::make_unique<zstd_coding>();
    return nullptr;
}

}  // namespace weft::http::detail
