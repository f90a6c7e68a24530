// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/detail/resume_mark.hpp>

#include <algorithm>
#include <cstring>

namespace weft::detail {

// The stores between the two of the sequence are releases and the loads between acquires: who reads
// one word of a later mark sees the odd number too, and reads again. (No fences: ThreadSanitizer
// does not know them.)

bool resume_mark::begin() noexcept {
    std::uint32_t n = sequence_.load(std::memory_order_relaxed);
    if (info_.serial()) {  // one writer
        sequence_.store(n + 1, std::memory_order_relaxed);
        return true;
    }
    return n % 2 == 0 && sequence_.compare_exchange_strong(n, n + 1, std::memory_order_acq_rel,
                                                           std::memory_order_relaxed);
}

void resume_mark::end() noexcept {
    sequence_.store(sequence_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void resume_mark::resumed(const char* what, std::source_location where) noexcept {
    if (!begin()) return;
    what_.store(what, std::memory_order_release);
    where_.store(where, std::memory_order_release);
    at_.store(std::chrono::nanoseconds(info_.clock().now().time_since_epoch()).count(),
              std::memory_order_release);
    call_.front().store(0, std::memory_order_release);
    end();
}

void resume_mark::called(std::string_view verb, std::string_view object) noexcept {
    if (!begin()) return;
    constexpr std::size_t room = words * 8 - 1;  // a zero ends it
    std::array<char, words * 8> text;
    std::size_t size = std::min(verb.size(), room);
    std::memcpy(text.data(), verb.data(), size);
    if (size < room && !object.empty()) {
        text[size++] = ' ';
        object = object.substr(0, room - size);
        object = object.substr(0, object.find('?'));
        std::memcpy(text.data() + size, object.data(), object.size());
        size += object.size();
    }
    // The last word is filled up with zeros; what an earlier call left behind it is not read.
    std::memset(text.data() + size, 0, 8 - size % 8);
    what_.store("call", std::memory_order_release);
    where_.store({}, std::memory_order_release);
    const std::chrono::milliseconds ms(info_.deadlines().coarse_milliseconds());
    at_.store(std::chrono::nanoseconds(ms).count(), std::memory_order_release);
    for (std::size_t i = 0; i <= size / 8; ++i) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + i * 8, 8);
        call_[i].store(word, std::memory_order_release);
    }
    end();
}

std::optional<resume_mark::seen> resume_mark::read() const {
    for (int tries = 0; tries < 100; ++tries) {
        const std::uint32_t before = sequence_.load(std::memory_order_acquire);
        if (before == 0) return std::nullopt;
        if (before % 2 != 0) continue;
        seen s;
        s.number = before / 2;
        s.what = what_.load(std::memory_order_acquire);
        s.where = where_.load(std::memory_order_acquire);
        s.at = std::chrono::nanoseconds(at_.load(std::memory_order_acquire));
        std::array<char, words * 8 + 1> text{};
        for (std::size_t i = 0; i < words; ++i) {
            const std::uint64_t word = call_[i].load(std::memory_order_acquire);
            std::memcpy(text.data() + i * 8, &word, 8);
        }
        if (sequence_.load(std::memory_order_relaxed) != before) continue;
        s.call = text.data();
        return s;
    }
    return std::nullopt;
}

}  // namespace weft::detail
