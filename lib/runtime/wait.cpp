// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/detail/resume_mark.hpp>
#include <weft/runtime/wait.hpp>

#include <fmt/format.h>

#include <iterator>

namespace weft {

wait_registry::~wait_registry() {
    for (wait_scope* w = first_; w; w = w->next_) w->registry_ = nullptr;
}

std::string wait_registry::report() const {
    std::string text;
    for (const wait_scope* w = first_; w; w = w->next_) {
        std::string_view file = w->where_.file_name();
        // The directory says where the code was built, not where to look.
        if (const auto slash = file.rfind('/'); slash != std::string_view::npos)
            file.remove_prefix(slash + 1);
        fmt::format_to(std::back_inserter(text), "  {} at {}:{} (in {})\n", w->what_, file,
                       w->where_.line(), w->where_.function_name());
    }
    return text;
}

wait_fault fault_of(const context_info& info, const char* what,
                    std::source_location where) noexcept {
    const wait_registry* const waits = info.waits();
    if (!waits || !waits->hook()) return {};
    return waits->hook()->on_operation(what, where);
}

wait_scope::wait_scope(context_info& info, const char* what, std::source_location where) noexcept
    : wait_scope(info, what, where, announced) {
    if (registry_ && registry_->hook_) registry_->hook_->on_wait(what_, where_);
}

wait_scope::wait_scope(context_info& info, const char* what, std::source_location where,
                       announced_t) noexcept
    : registry_(info.waits()), what_(what), where_(where) {
    if (!registry_ || !registry_->lists_) return;
    previous_ = registry_->last_;
    (previous_ ? previous_->next_ : registry_->first_) = this;
    registry_->last_ = this;
    ++registry_->size_;
}

void wait_scope::note() const noexcept {
    if (auto* mark = registry_->mark_.load(std::memory_order_acquire)) mark->resumed(what_, where_);
}

void wait_scope::leave() noexcept {
    note();
    if (!registry_->lists_) return;
    (previous_ ? previous_->next_ : registry_->first_) = next_;
    (next_ ? next_->previous_ : registry_->last_) = previous_;
    --registry_->size_;
    registry_ = nullptr;
}

}  // namespace weft
