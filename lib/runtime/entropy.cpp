// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/entropy.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#if defined(__linux__)
#include <sys/random.h>
#endif

namespace weft {

namespace {

void read_system(std::span<std::byte> out) noexcept {
#if defined(__linux__)
    while (!out.empty()) {
        const auto n = ::getrandom(out.data(), out.size(), 0);
        if (n > 0) {
            out = out.subspan(static_cast<std::size_t>(n));
        } else if (errno != EINTR) {
            break;
        }
    }
#endif
    if (out.empty()) return;
    // No getrandom: the standard library's device. It throws where there is no device at all, and
    // then no safe random number exists; noexcept ends the program, which is the right answer.
    std::random_device device;
    for (std::byte& b : out) b = static_cast<std::byte>(device());
}

}  // namespace

std::uint64_t entropy::below(std::uint64_t bound) noexcept {
    if (bound == 0) return 0;
    // Numbers below 2^64 mod bound are thrown away, so that each result is hit equally often.
    const std::uint64_t skip = (0 - bound) % bound;
    for (;;) {
        const std::uint64_t n = next();
        if (n >= skip) return n % bound;
    }
}

void entropy::fill(std::span<std::byte> out) noexcept {
    while (!out.empty()) {
        const std::uint64_t n = next();
        const std::size_t part = std::min(out.size(), sizeof n);
        std::memcpy(out.data(), &n, part);
        out = out.subspan(part);
    }
}

std::uint64_t system_entropy::next() noexcept {
    const std::lock_guard lock(mutex_);
    if (left_ == 0) {
        read_system(std::as_writable_bytes(std::span(ahead_)));
        left_ = ahead_.size();
    }
    return std::exchange(ahead_[--left_], 0);
}

void system_entropy::forget() noexcept {
    const std::lock_guard lock(mutex_);
    left_ = 0;
}

seeded_entropy::seeded_entropy(std::uint64_t seed) noexcept {
    // splitmix64 spreads any seed, 0 too, over the whole state.
    for (auto& word : state_) {
        seed += 0x9e3779b97f4a7c15u;
        std::uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        word = z ^ (z >> 31);
    }
}

std::uint64_t seeded_entropy::next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

}  // namespace weft
