// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What TSan cannot see. Asio counts the references to an executor's target down with a release
// operation, and the last one passes an acquire fence before it deletes
// (boost/asio/detail/atomic_count.hpp). That is right, but TSan knows no fences. And OpenSSL is not
// built with it: TSan sees nothing of its reference counts, and takes for a race what one thread
// reads and lets go, and another one frees then.

#include "../sanitizers.hpp"

#if TEST_UNDER_TSAN
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:boost::asio::execution::detail::shared_target_executor::~shared_target_executor\n"
           "race:boost::asio::execution::detail::shared_target_executor::impl\n"
           "called_from_lib:libcrypto.so\n"
           "called_from_lib:libssl.so\n";
}
#endif
