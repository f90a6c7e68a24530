// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// What this program is built with: 1 or 0. GCC says nothing of UBSan, which comes with ASan here.

#if defined(__has_feature)
#define TEST_UNDER_ASAN __has_feature(address_sanitizer)
#define TEST_UNDER_TSAN __has_feature(thread_sanitizer)
#define TEST_UNDER_UBSAN __has_feature(undefined_behavior_sanitizer)
#else
#if defined(__SANITIZE_ADDRESS__)
#define TEST_UNDER_ASAN 1
#else
#define TEST_UNDER_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__)
#define TEST_UNDER_TSAN 1
#else
#define TEST_UNDER_TSAN 0
#endif
#define TEST_UNDER_UBSAN TEST_UNDER_ASAN
#endif
