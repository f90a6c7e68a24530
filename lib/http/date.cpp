// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "date.hpp"

#include <weft/runtime/deadlines.hpp>

#include <cstring>

namespace weft::http::detail {

void write_date(char* out, std::chrono::sys_seconds when) noexcept {
    using namespace std::chrono;
    static constexpr char days[] = "SunMonTueWedThuFriSat";
    static constexpr char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const sys_days day = floor<std::chrono::days>(when);
    const year_month_day date(day);
    const hh_mm_ss time(when - day);
    auto two = [](char* to, unsigned n) {
        to[0] = static_cast<char>('0' + n / 10 % 10);
        to[1] = static_cast<char>('0' + n % 10);
    };
    std::memcpy(out, "ddd, DD MMM YYYY HH:MM:SS GMT", 29);
    std::memcpy(out, days + 3 * weekday(day).c_encoding(), 3);
    two(out + 5, static_cast<unsigned>(date.day()));
    std::memcpy(out + 8, months + 3 * (static_cast<unsigned>(date.month()) - 1), 3);
    const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
    two(out + 12, year / 100);
    two(out + 14, year % 100);
    two(out + 17, static_cast<unsigned>(time.hours().count()));
    two(out + 20, static_cast<unsigned>(time.minutes().count()));
    two(out + 23, static_cast<unsigned>(time.seconds().count()));
}

std::string_view date_text::now(context_info& context) {
    const std::uint64_t coarse = context.deadlines().coarse_milliseconds();
    if (coarse >= stale_at_) {
        const auto wall = context.clock().wall_now();
        const auto second = std::chrono::floor<std::chrono::seconds>(wall);
        write_date(text_.data(), second);
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(second + std::chrono::seconds(1) - wall);
        context.deadlines().refresh();
        stale_at_ =
            context.deadlines().coarse_milliseconds() + static_cast<std::uint64_t>(left.count());
    }
    return {text_.data(), text_.size()};
}

}  // namespace weft::http::detail
