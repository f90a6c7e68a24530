// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "logfmt.hpp"
#include <weft/core/extensions.hpp>

#include <fmt/format.h>

#include <iterator>

namespace weft {

void detail::print_extension(std::string& out, fmt::format_args args) {
    fmt::vformat_to(std::back_inserter(out), "{}", args);
}

std::optional<std::string> history_entry::text() const {
    const detail::extension_entry& e = *entry_.entry;
    if (!e.type->print) return std::nullopt;
    std::string out;
    e.type->print(e.value(), out);
    return out;
}

history::history(std::uintptr_t word) {
    std::vector<detail::leveled_entry> found;
    store_ = detail::collect(word, found);
    entries_.reserve(found.size());
    for (const auto& e : found) entries_.push_back(history_entry(e));
}

std::string history::to_string() const {
    std::string out;
    std::optional<std::chrono::milliseconds> start;
    std::size_t index = 0;
    for (const history_entry& e : entries_) {
        fmt::format_to(std::back_inserter(out), "#{}", index++);
        if (const auto time = e.time()) {
            if (!start) start = time;
            fmt::format_to(std::back_inserter(out), " {:+}ms", (*time - *start).count());
        }
        out += ' ';
        out += e.type();
        // A formatter is the user's code: what it throws must not hide the other entries.
        try {
            if (const auto text = e.text()) {
                out += " = ";
                detail::append_logfmt_value(out, *text);
            }
        } catch (const std::exception&) {
            out += "(its formatter failed)";
        }
        const std::source_location where = e.where();
        fmt::format_to(std::back_inserter(out), " at {}:{}\n", where.file_name(), where.line());
    }
    return out;
}

}  // namespace weft
