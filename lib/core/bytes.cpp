// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/bytes.hpp>

#include <new>

namespace weft {
namespace {

struct string_owner final : bytes::owner {
    explicit string_owner(std::string&& t) noexcept : text(std::move(t)) {}
    std::string text;
};

/// Header and characters in one allocation.
struct inline_owner final : bytes::owner {
    static inline_owner* make(std::string_view text) {
        void* memory = ::operator new(sizeof(inline_owner) + text.size());
        auto* made = ::new (memory) inline_owner;
        std::memcpy(made->characters(), text.data(), text.size());
        return made;
    }
    char* characters() noexcept { return reinterpret_cast<char*>(this + 1); }

  private:
    void dispose() noexcept override {
        this->~inline_owner();
        ::operator delete(static_cast<void*>(this));
    }
};

}  // namespace

bytes bytes::copy(std::string_view text) {
    if (text.empty()) return {};
    auto* owner = inline_owner::make(text);
    return {{owner->characters(), text.size()}, owner};
}

bytes bytes::from_string(std::string&& text) {
    // A short string lives inside its object, so it would have to move: one allocation of the right
    // size is cheaper.
    if (text.size() < sizeof(std::string)) return copy(text);
    auto* owner = new string_owner(std::move(text));
    return {owner->text, owner};
}

}  // namespace weft
