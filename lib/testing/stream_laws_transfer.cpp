// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "stream_trial.hpp"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace weft::testing {
namespace {

namespace asio = boost::asio;
using io::error_code;

void in_order(stream_trial& t) {
    t.send(t.a, "hello ");
    t.send(t.a, "world");
    t.expect_text(t.b, "hello world");
    t.send(t.b, "and back");
    t.expect_text(t.a, "and back");
}

void what_is_there(stream_trial& t) {
    std::array<char, 1024> memory;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    t.send(t.a, "some");
    t.wait(r);
    t.expect(r, {}, 4);
}

void zero_read(stream_trial& t) {
    completion_record r;
    t.b.async_read_some(asio::mutable_buffer(), r.handler());
    t.wait(r);
    t.expect(r, {}, 0);
    t.send(t.a, "x");
    completion_record beside_bytes;
    t.b.async_read_some(std::array<asio::mutable_buffer, 3>(), beside_bytes.handler());
    t.wait(beside_bytes);
    t.expect(beside_bytes, {}, 0);
    t.expect_text(t.b, "x");
}

void zero_write(stream_trial& t) {
    completion_record r;
    t.a.async_write_some(asio::const_buffer(), r.handler());
    t.wait(r);
    t.expect(r, {}, 0);
    t.send(t.a, "y");
    t.expect_text(t.b, "y");
}

void zero_try(stream_trial& t) {
    error_code ec;
    t.expect(t.b.try_read(asio::mutable_buffer(), ec) == 0 && !ec, "try_read of nothing succeeds");
    t.expect(t.a.try_write(asio::const_buffer(), ec) == 0 && !ec, "try_write of nothing succeeds");
}

void one_byte(stream_trial& t) {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += static_cast<char>('a' + i % 26);
    std::string got;
    for (char c : text) {
        t.send(t.a, std::string_view(&c, 1));
        char one = 0;
        completion_record r;
        t.b.async_read_some(asio::buffer(&one, 1), r.handler());
        t.wait(r);
        t.expect(r, {}, 1);
        got += one;
    }
    t.expect(got == text, "the same bytes");
}

void seventeen_write(stream_trial& t) {
    std::string text = "abcdefghijklmnopq";
    std::array<asio::const_buffer, 17> buffers;
    for (std::size_t i = 0; i < 17; ++i) buffers[i] = asio::buffer(&text[i], 1);
    completion_record r;
    t.a.async_write_some(buffers, r.handler());
    t.wait(r);
    t.expect(r, {});
    t.expect(r.bytes >= 1 && r.bytes <= io::max_buffers, "at most sixteen buffers in one write");
    t.send(t.a, std::string_view(text).substr(r.bytes));
    t.expect_text(t.b, text);
}

void seventeen_read(stream_trial& t) {
    std::string text = "abcdefghijklmnopq";
    t.send(t.a, text);
    std::string got(17, '-');
    std::array<asio::mutable_buffer, 17> buffers;
    for (std::size_t i = 0; i < 17; ++i) buffers[i] = asio::buffer(&got[i], 1);
    completion_record r;
    t.b.async_read_some(buffers, r.handler());
    t.wait(r);
    t.expect(r, {});
    t.expect(r.bytes >= 1 && r.bytes <= io::max_buffers, "at most sixteen buffers in one read");
    t.expect(got.substr(0, r.bytes) == text.substr(0, r.bytes), "the same bytes");
    t.expect_text(t.b, std::string_view(text).substr(r.bytes));
}

void empty_between(stream_trial& t) {
    std::array<asio::const_buffer, 20> out;
    out[17] = asio::buffer("ab", 2);
    out[19] = asio::buffer("cd", 2);
    completion_record w;
    t.a.async_write_some(out, w.handler());
    t.wait(w);
    t.expect(w, {}, 4);
    std::array<char, 2> first;
    std::array<char, 9> second;
    std::array<asio::mutable_buffer, 19> in;
    in[16] = asio::buffer(first);
    in[18] = asio::buffer(second);
    completion_record r;
    t.b.async_read_some(in, r.handler());
    t.wait(r);
    t.expect(r, {}, 4);
    t.expect(first[0] == 'a' && second[1] == 'd', "scattered in order");
}

/// Moves bytes one way through `out` and `in` with changing sizes; byte i of the stream is a hash
/// of i and a seed.
class pump {
  public:
    pump(io::stream& out, io::stream& in, std::size_t total, unsigned seed)
        : out_(out), in_(in), total_(total), seed_(seed), from_(48 * 1024), into_(40 * 1024) {}

    void start() {
        write();
        read();
    }
    [[nodiscard]] bool done() const { return received_ == total_ || !broken.empty(); }
    std::string broken;

  private:
    [[nodiscard]] char byte(std::size_t i) const {
        return static_cast<char>((i * 2654435761u + (i >> 16) + seed_) >> 7);
    }
    void write() {
        if (sent_ == total_) return;
        const std::size_t n =
            std::min({from_.size(), total_ - sent_, 1 + (sent_ * 7919) % from_.size()});
        for (std::size_t i = 0; i < n; ++i) from_[i] = byte(sent_ + i);
        out_.async_write_some(asio::buffer(from_.data(), n),
                              [this, n](error_code ec, std::size_t done) {
                                  if (ec || done == 0 || done > n) {
                                      broken = "write: " + ec.message();
                                      return;
                                  }
                                  sent_ += done;
                                  write();
                              });
    }
    void read() {
        if (received_ == total_) return;
        const std::size_t n = 1 + (received_ * 104729) % into_.size();
        in_.async_read_some(asio::buffer(into_.data(), n),
                            [this, n](error_code ec, std::size_t done) {
                                if (ec || done == 0 || done > n) {
                                    broken = "read: " + ec.message();
                                    return;
                                }
                                for (std::size_t i = 0; i < done; ++i) {
                                    if (into_[i] != byte(received_ + i)) {
                                        broken = "wrong byte at " + std::to_string(received_ + i);
                                        return;
                                    }
                                }
                                received_ += done;
                                read();
                            });
    }

    io::stream& out_;
    io::stream& in_;
    std::size_t total_;
    unsigned seed_;
    std::size_t sent_ = 0;
    std::size_t received_ = 0;
    std::vector<char> from_;
    std::vector<char> into_;
};

void both_ways(stream_trial& t) {
    constexpr std::size_t total = 64 * 1024 * 1024;
    pump there(t.a, t.b, total, 1);
    pump back(t.b, t.a, total, 99);
    there.start();
    back.start();
    t.wait([&] {
        return (there.done() && back.done()) || !there.broken.empty() || !back.broken.empty();
    });
    const std::string broken = there.broken + back.broken;
    // What still waits would write into the pumps.
    t.a = io::stream();
    t.b = io::stream();
    t.settle();
    t.expect(broken.empty(), broken);
}

void back_pressure(stream_trial& t) {
    completion_record stuck;
    const std::size_t taken = t.stick(t.a, stuck);
    t.expect(taken > 0, "a fresh stream takes some bytes");
    t.drain(t.b, taken);
    t.wait(stuck);
    t.expect(stuck, {});
    t.expect(stuck.bytes > 0, "the write went on when the reader made room");
    t.drain(t.b, stuck.bytes);
    t.send(t.a, "end");
    t.expect_text(t.b, "end");
}

void try_read_law(stream_trial& t) {
    std::array<char, 8> memory;
    error_code ec;
    t.expect(t.b.try_read(asio::buffer(memory), ec) == 0 && ec == asio::error::would_block,
             "try_read on a silent stream would block");
    t.send(t.a, "12345");
    // A transport may answer would_block for ever (then reading goes by operations), but never
    // loses a byte.
    std::string got;
    for (int i = 0; i < 64 && got.size() < 5; ++i) {
        const std::size_t n = t.b.try_read(asio::buffer(memory), ec);
        t.expect((n > 0) == !ec, "bytes or an error, not both");
        t.expect(!ec || ec == asio::error::would_block, "no other error");
        got.append(memory.data(), n);
        t.settle();
    }
    t.expect_text(t.b, std::string_view("12345").substr(got.size()));
    t.expect(got == std::string_view("12345").substr(0, got.size()), "in order");
}

void try_write_law(stream_trial& t) {
    const std::string block(32 * 1024, 't');
    error_code ec;
    std::size_t sum = 0;
    for (int i = 0; i < 20000 && ec != asio::error::would_block; ++i) {
        const std::size_t n = t.a.try_write(asio::buffer(block), ec);
        t.expect((n > 0) == !ec, "bytes or an error, not both");
        t.expect(!ec || ec == asio::error::would_block, "no other error");
        sum += n;
    }
    t.expect(ec == asio::error::would_block, "try_write ends with would_block");
    t.drain(t.b, sum);
    t.send(t.a, "more");
    t.expect_text(t.b, "more");
}

void try_end(stream_trial& t) {
    t.a = io::stream();
    std::array<char, 8> memory;
    error_code ec = asio::error::would_block;
    for (int i = 0; i < 64 && ec == asio::error::would_block; ++i) {
        t.expect(t.b.try_read(asio::buffer(memory), ec) == 0, "no bytes");
        t.settle();
    }
    t.expect(ec == asio::error::eof || ec == asio::error::would_block, "try_read sees end of file");
    t.expect_end(t.b, asio::error::eof);
}

void try_while_pending(stream_trial& t) {
    std::array<char, 8> memory;
    std::array<char, 8> other;
    completion_record r;
    t.b.async_read_some(asio::buffer(memory), r.handler());
    error_code ec;
    t.expect(t.b.try_read(asio::buffer(other), ec) == 0 && ec == asio::error::already_started,
             "try_read beside a pending read is refused");
    completion_record w;
    t.stick(t.a, w);
    t.expect(t.a.try_write(asio::buffer(other), ec) == 0 && ec == asio::error::already_started,
             "try_write beside a pending write is refused");
}

constexpr stream_law laws[] = {
    {"bytes arrive in order, both ways", in_order},
    {"a read gives what is there and does not wait for more", what_is_there},
    {"a read of zero bytes completes at once and takes nothing", zero_read},
    {"a write of zero bytes completes at once", zero_write},
    {"trying zero bytes succeeds", zero_try},
    {"two thousand bytes pass one by one", one_byte},
    {"seventeen buffers to write: at most sixteen are used at once", seventeen_write},
    {"seventeen buffers to read into: at most sixteen are used at once", seventeen_read},
    {"empty buffers between others are passed over", empty_between},
    {"64 MiB pass both ways at once, unharmed", both_ways},
    {"a writer waits for a slow reader, and goes on", back_pressure},
    {"try_read gives bytes or would_block", try_read_law},
    {"try_write takes bytes until it would block", try_write_law},
    {"try_read sees the end of file", try_end},
    {"trying beside a pending operation of the same kind is refused", try_while_pending},
};

}  // namespace

std::span<const stream_law> transfer_laws() { return laws; }

}  // namespace weft::testing
