// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Refuses, with one sentence, what is known to miscompile or to mix badly
// (docs/decisions/001-compilers.md).

// generated: pins the Boost and the Asio macros that weft was built with
#include <weft/core/build_config.hpp>

#include <boost/version.hpp>

#if !defined(__clang__) && defined(__GNUC__) && __GNUC__ < 14
#error "weft needs Clang >= 16 or GCC >= 14: this GCC miscompiles coroutines."
#endif
#if defined(__clang__) && __clang_major__ < 16
#error "weft needs Clang >= 16 or GCC >= 14."
#endif
#if BOOST_VERSION < 108300
#error "weft needs Boost >= 1.83."
#endif
#if defined(BOOST_ASIO_SEPARATE_COMPILATION) || defined(BOOST_ASIO_DYN_LINK)
#error "weft needs header-only Asio: no BOOST_ASIO_SEPARATE_COMPILATION beside it."
#endif
