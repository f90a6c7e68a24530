// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// ThreadSanitizer does not know std::atomic_thread_fence. Asio's reference counts (detail/atomic_count.hpp) end with one:
// a release decrement, and an acquire fence before the delete. That is right, and reported as a race of the delete with
// the decrement of another thread; most of all where an any_io_executor that holds a strand is copied between threads.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:boost::asio::execution::detail::shared_target_executor\n";
}
