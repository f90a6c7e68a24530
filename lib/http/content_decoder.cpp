// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "content_decoder.hpp"

#include <weft/core/failure.hpp>

#include <algorithm>

namespace weft::http::detail {

namespace {

constexpr std::size_t max_codings = 4;
constexpr std::size_t between = 16 * 1024;

failure about(failure_kind kind, std::string why, std::string_view coding) {
    return failure(kind, std::move(why))
        .with("coding", coding)
        .in(failure_domain::protocol)
        .delivered(delivery::processed);
}

}  // namespace

std::optional<content_decoder> content_decoder::make(std::span<const std::string_view> codings,
                                                     const decompress_options& options) {
    content_decoder made(options);
    for (auto i = codings.rbegin(); i != codings.rend(); ++i) {
        if (made.stages_.size() == max_codings)
            throw about(failure_kind::rejected, "the content has too many codings", *i);
        auto coding = content_coding::make(*i);
        if (!coding) return std::nullopt;
        made.stages_.push_back({std::move(coding)});
        if (made.stages_.size() > 1) made.stages_.back().memory.resize(between);
    }
    if (made.stages_.empty()) return std::nullopt;
    return made;
}

void content_decoder::feed(std::string_view in) noexcept {
    stages_.front().in = in;
    fed_ += in.size();
}

content_decoder::result content_decoder::read(std::span<char> out) {
    const result r = read_stage(stages_.size() - 1, out);
    given_ += r.size;
    check_limits();
    return r;
}

content_decoder::result content_decoder::read_stage(std::size_t i, std::span<char> out) {
    stage& s = stages_[i];
    for (;;) {
        if (s.in.empty() && !s.input_over && !s.out_was_full) {
            if (i == 0) return {state::starved};
            const result r = read_stage(i - 1, s.memory);
            if (r.what == state::starved) return r;
            if (r.what == state::end)
                s.input_over = true;
            else
                s.in = {s.memory.data(), r.size};
        }
        s.any_input = s.any_input || !s.in.empty();
        const content_coding::step done = s.coding->decode(s.in, out);
        s.in.remove_prefix(done.consumed);
        s.out_was_full = done.produced == out.size();
        if (done.produced > 0) return {state::data, done.produced};
        if (s.in.empty() && s.input_over) {
            // A content of no bytes at all is what servers send for "nothing".
            if (s.any_input && !s.coding->complete())
                throw about(failure_kind::protocol, "the content ends before its coding does",
                            s.coding->name());
            return {state::end};
        }
        if (done.consumed == 0 && !s.in.empty())
            throw about(failure_kind::protocol, "the content cannot be decoded", s.coding->name());
    }
}

void content_decoder::check_limits() const {
    const std::string_view coding = stages_.back().coding->name();
    if (given_ > options_.max_size)
        throw about(failure_kind::rejected, "the decoded content is too large", coding);
    if (given_ > options_.ratio_from &&
        given_ / std::max<std::uint64_t>(fed_, 1) > options_.max_ratio)
        throw about(failure_kind::rejected,
                    "the decoded content is too large for what it was coded in", coding);
}

}  // namespace weft::http::detail
