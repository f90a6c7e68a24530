// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "openssl.hpp"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <vector>

namespace weft::tls::detail {

/// One object for each certificate that servers show again and again: a parsed one takes 5 KiB and
/// more, and each connection, and each session that is kept, holds those of its server. The ones
/// seen last are known. Safe to use from several threads.
class shared_certificates {
  public:
    /// After a chain was judged, inside of OpenSSL's callback: puts the objects that are known in
    /// the place of those that were just made. They are equal byte for byte.
    void replace(X509_STORE_CTX& chain) {
        STACK_OF(X509)* shown = X509_STORE_CTX_get0_untrusted(&chain);
        // What was verified is not asked for later; it would hold the others.
        X509_STORE_CTX_set0_verified_chain(&chain, nullptr);
        for (int i = 0; i < sk_X509_num(shown); ++i) {
            X509* fresh = sk_X509_value(shown, i);
            owned_x509 known = find(*fresh);
            if (known.get() == fresh) continue;
            sk_X509_set(shown, i, known.release());
            X509_free(fresh);
        }
    }

  private:
    static constexpr std::size_t limit = 32;

    owned_x509 find(X509& c) {
        const std::lock_guard lock(mutex_);
        auto at = std::ranges::find_if(
            known_, [&](const owned_x509& k) { return X509_cmp(k.get(), &c) == 0; });
        if (at == known_.end()) {
            X509_up_ref(&c);
            owned_x509 kept(&c);
            if (known_.size() == limit) known_.pop_back();
            at = known_.insert(known_.begin(), std::move(kept));
        } else {
            std::rotate(known_.begin(), at, at + 1);
            at = known_.begin();
        }
        X509_up_ref(at->get());
        return owned_x509(at->get());
    }

    std::mutex mutex_;
    std::vector<owned_x509> known_;  // the one seen last first
};

}  // namespace weft::tls::detail
