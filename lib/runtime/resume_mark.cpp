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
    std::array<char, words * 8> text{};
    const std::size_t room = text.size() - 1;  // a zero ends it
    const std::size_t first = std::min(verb.size(), room);
    std::memcpy(text.data(), verb.data(), first);
    if (first + 1 < room && !object.empty()) {
        const std::size_t rest = std::min(object.size(), room - first - 1);
        const void* const query = std::memchr(object.data(), '?', rest);
        text[first] = ' ';
        std::memcpy(text.data() + first + 1, object.data(),
                    query
                        ? static_cast<std::size_t>(static_cast<const char*>(query) - object.data())
                        : rest);
    }
    what_.store("call", std::memory_order_release);
    where_.store({}, std::memory_order_release);
    const std::chrono::milliseconds ms(info_.deadlines().coarse_milliseconds());
    at_.store(std::chrono::nanoseconds(ms).count(), std::memory_order_release);
    for (std::size_t i = 0; i < words; ++i) {
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
