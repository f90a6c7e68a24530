// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/layer/decompress.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http::detail {

/// One coding, taken off. Sans-IO.
class content_coding {
  public:
    struct step {
        std::size_t consumed = 0;
        std::size_t produced = 0;
    };

    content_coding() = default;
    content_coding(const content_coding&) = delete;
    content_coding& operator=(const content_coding&) = delete;
    virtual ~content_coding() = default;

    /// Decodes what it can; doing nothing means that it needs more input. Throws `corrupt`.
    virtual step decode(std::string_view in, std::span<char> out) = 0;
    /// Whether the input may end here.
    [[nodiscard]] virtual bool complete() const noexcept = 0;
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;

    /// Nullptr for a coding that is not known. Names without regard to case.
    static std::unique_ptr<content_coding> make(std::string_view name);

  protected:
    [[noreturn]] void corrupt(std::string_view why) const;
};

/// All codings of one content, and its limits. Sans-IO:
///
///     decoder.feed(chunk);                    // when read() has said `starved`
///     auto r = decoder.read(memory);
class content_decoder {
  public:
    enum class state : unsigned char { data, starved, end };
    struct result {
        state what;
        std::size_t size = 0;
    };

    /// Codings as Content-Encoding lists them: in the order in which they were applied. Nothing when
    /// one is not known. Throws failure, kind rejected, when there are more than four.
    static std::optional<content_decoder> make(std::span<const std::string_view> codings,
                                               const decompress_options& options);

    /// More input, which outlives its use: until read() says `starved` again.
    void feed(std::string_view in) noexcept;
    /// There is no more.
    void finish() noexcept { stages_.front().input_over = true; }
    /// Decodes into `out`, which is not empty. Throws what the layer says.
    result read(std::span<char> out);

  private:
    struct stage {
        std::unique_ptr<content_coding> coding;
        std::string_view in = {};
        bool input_over = false;
        bool any_input = false;
        bool out_was_full = false;      ///< it may hold more
        std::vector<char> memory = {};  ///< of what the stage before it gave
    };

    explicit content_decoder(const decompress_options& options) : options_(options) {}
    result read_stage(std::size_t i, std::span<char> out);
    void check_limits() const;

    decompress_options options_;
    std::vector<stage> stages_;  ///< the first one reads the input
    std::uint64_t fed_ = 0;
    std::uint64_t given_ = 0;
};

}  // namespace weft::http::detail
