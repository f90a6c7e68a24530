// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace weft::testing {

namespace detail {

/// Pieces of an input, each in memory of exactly its
/// size, so that a sanitizer sees a read past its end.
class cut_input {
  public:
    void add(std::string_view part) {
        auto& memory = memory_.emplace_back(new char[part.size()]);
        if (!part.empty()) std::memcpy(memory.get(), part.data(), part.size());
        pieces_.emplace_back(memory.get(), part.size());
    }
    [[nodiscard]] std::span<const std::string_view> pieces() const noexcept { return pieces_; }

  private:
    std::vector<std::unique_ptr<char[]>> memory_;
    std::vector<std::string_view> pieces_;
};

}  // namespace detail

/// Feeds a codec an input whole, byte by byte, and cut in two at every place, and checks that the
/// outcome never differs.
///
///     auto outcome = testing::splits(request_text, [](std::span<const std::string_view> pieces) {
///         my_decoder decoder;
///         for (std::string_view piece : pieces) decoder.feed(piece);
///         return decoder.result();
///     });
///     CHECK(outcome == expected);
///
/// `codec` is called once for each way to cut, n + 1 times for n > 0 bytes, and gives something
/// that compares with ==. The result is the outcome of the whole input. Throws failure(internal),
/// with the cut in its context, when another outcome differs. Each piece lies in memory of its own,
/// of exactly its size.
template <class Codec>
auto splits(std::string_view input, Codec&& codec) {
    detail::cut_input whole;
    whole.add(input);
    const auto expected = codec(whole.pieces());

    const auto check = [&](const detail::cut_input& cut, const char* how, std::size_t at) {
        if (codec(cut.pieces()) == expected) return;
        throw failure(failure_kind::internal, "the outcome depends on how the input is cut")
            .with("cut", how)
            .with("at", static_cast<long long>(at))
            .with("of", static_cast<long long>(input.size()));
    };

    detail::cut_input bytewise;
    for (std::size_t i = 0; i < input.size(); ++i) bytewise.add(input.substr(i, 1));
    check(bytewise, "byte by byte", 0);
    for (std::size_t i = 1; i < input.size(); ++i) {
        detail::cut_input two;
        two.add(input.substr(0, i));
        two.add(input.substr(i));
        check(two, "in two", i);
    }
    return expected;
}

}  // namespace weft::testing
