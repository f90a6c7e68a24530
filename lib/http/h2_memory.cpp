// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace weft::http::detail {

/// In front of each piece of memory: how large that is, and while it is kept, the next one.
struct alignas(std::max_align_t) h2_memory::block {
    std::size_t size;
    block* next;

    void* memory() noexcept { return this + 1; }
    static block* of(void* memory) noexcept { return static_cast<block*>(memory) - 1; }
};

void* h2_memory::allocate(std::size_t size) noexcept {
    const std::size_t at = size == 0 ? 0 : (size - 1) / grain;
    if (at < classes) {
        size = (at + 1) * grain;
        if (block* const b = free_[at]) {
            free_[at] = b->next;
            kept_ -= size;
            return b->memory();
        }
    }
    auto* const b = static_cast<block*>(std::malloc(sizeof(block) + size));
    if (!b) return nullptr;
    b->size = size;
    return b->memory();
}

void h2_memory::release(void* memory) noexcept {
    if (!memory) return;
    block* const b = block::of(memory);
    const std::size_t at = (b->size - 1) / grain;
    if (at >= classes || kept_ >= most_kept) return std::free(b);
    b->next = free_[at];
    free_[at] = b;
    kept_ += b->size;
}

void* h2_memory::resize(void* memory, std::size_t size) noexcept {
    if (!memory) return allocate(size);
    if (size == 0) {
        release(memory);
        return nullptr;
    }
    const std::size_t old = block::of(memory)->size;
    if (size <= old) return memory;
    void* const larger = allocate(size);
    if (!larger) return nullptr;
    std::memcpy(larger, memory, old);
    release(memory);
    return larger;
}

void h2_memory::shrink() noexcept {
    for (block*& first : free_)
        while (block* const b = first) {
            first = b->next;
            std::free(b);
        }
    kept_ = 0;
}

nghttp2_mem h2_memory::functions() noexcept {
    nghttp2_mem m;
    m.mem_user_data = this;
    m.malloc = [](std::size_t size, void* self) {
        return static_cast<h2_memory*>(self)->allocate(size);
    };
    m.free = [](void* memory, void* self) { static_cast<h2_memory*>(self)->release(memory); };
    m.calloc = [](std::size_t count, std::size_t size, void* self) -> void* {
        if (size != 0 && count > static_cast<std::size_t>(-1) / size) return nullptr;
        void* const memory = static_cast<h2_memory*>(self)->allocate(count * size);
        return memory ? std::memset(memory, 0, count * size) : nullptr;
    };
    m.realloc = [](void* memory, std::size_t size, void* self) {
        return static_cast<h2_memory*>(self)->resize(memory, size);
    };
    return m;
}

}  // namespace weft::http::detail
