// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "server_engine.hpp"
#include "settings.hpp"

#include <algorithm>
#include <functional>

namespace weft::tls {

namespace detail {

server_context::server_context(server_options options, std::shared_ptr<ticket_keys> keys)
    : options_(std::make_shared<const server_options>(std::move(options))),
      keys_(std::move(keys)),
      alpn_(alpn_wire(options_->alpn)),
      answers_(options_->certificate_cache, options_->certificate_max_age),
      native_(make_context(TLS_server_method(), *options_)) {
    const auto& ids = options_->identities;
    if (ids.empty() && !options_->certificates)
        throw failure(failure_kind::invalid_input, "a TLS server needs an identity");
    if (std::any_of(ids.begin(), ids.end(), [](const identity& id) { return !id; }))
        throw failure(failure_kind::invalid_input, "an identity of the TLS server is empty");
    engine::install(*native_);
    index();
    for (const identity& id : anyone_) show(*native_, id);
    if (!alpn_.empty())
        SSL_CTX_set_alpn_select_cb(native_.get(), &server_engine::choose_alpn, nullptr);
    set_clients();
    set_tickets();
}

void server_context::index() {
    const auto& ids = options_->identities;
    if (ids.empty()) return;
    const auto lower = [](std::string name) {
        for (char& c : name)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        return name;
    };
    const auto kind = [](const identity& id) {
        return EVP_PKEY_get_base_id(id.key().native_handle());
    };
    for (const identity& id : ids) {
        for (const std::string& name : id.certificate().names()) {
            // OpenSSL holds one of each kind of key: the first counts.
            std::vector<identity>& all = by_name_[lower(name)].ids;
            if (std::ranges::find(all, kind(id), kind) == all.end()) all.push_back(id);
        }
    }
    // The first one, and those that serve one of its names with another kind of key.
    const std::vector<std::string> names = ids.front().certificate().names();
    anyone_ = names.empty() ? std::vector<identity>{ids.front()} : by_name_.at(lower(names[0])).ids;
    const auto chain = [](const identity& id) -> const auto& { return id.chain(); };
    for (auto& [name, shown] : by_name_)
        shown.to_anyone =
            std::ranges::equal(shown.ids, anyone_, std::ranges::equal_to(), chain, chain);
}

const server_context::shown* server_context::find(const std::string& name) const {
    auto found = by_name_.find(name);
    if (found == by_name_.end()) {
        // "*.shop.test" is for "www.shop.test", and for nothing below that (RFC 9525, 6.3).
        const std::size_t dot = name.find('.');
        if (dot == std::string::npos || dot == 0) return nullptr;
        found = by_name_.find('*' + name.substr(dot));
    }
    return found == by_name_.end() ? nullptr : &found->second;
}

void server_context::set_clients() {
    const server_options& o = *options_;
    // A session is resumed only where the clients are asked in the same way: the bytes say how.
    std::string asked;
    if (o.client_certificates == client_certificates::none) {
        SSL_CTX_set_verify(native_.get(), SSL_VERIFY_NONE, nullptr);
    } else {
        if (o.client_roots.empty())
            throw failure(failure_kind::invalid_input,
                          "a TLS server that asks for client certificates needs client_roots");
        believe(*native_, o.client_roots);
        for (const certificate& root : o.client_roots) {
            // What clients choose a certificate by.
            if (SSL_CTX_add_client_CA(native_.get(), root.native_handle()) != 1)
                throw unusable("a root certificate cannot be used");
            asked += root.fingerprint();
        }
        int mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
        if (o.client_certificates == client_certificates::required) {
            mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
            asked += '!';
        }
        SSL_CTX_set_verify(native_.get(), mode, nullptr);
    }
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(asked.data(), asked.size(), digest, &size, EVP_sha256(), nullptr) != 1 ||
        SSL_CTX_set_session_id_context(native_.get(), digest,
                                       std::min(size, unsigned{SSL_MAX_SID_CTX_LENGTH})) != 1)
        throw unusable("SHA-256 is not available");
}

void server_context::set_tickets() {
    const server_options& o = *options_;
    // Sessions live in the client's ticket alone: nothing is kept here, and no lock is taken.
    SSL_CTX_set_session_cache_mode(native_.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(native_.get(), o.session_tickets);
    if (o.session_tickets == 0) {
        SSL_CTX_set_options(native_.get(), SSL_OP_NO_TICKET);
        return;
    }
    if (o.ticket_lifetime < std::chrono::seconds(1) || o.ticket_lifetime > std::chrono::hours(84))
        throw failure(failure_kind::invalid_input,
                      "ticket_lifetime is between a second and 84 hours");
    SSL_CTX_set_timeout(native_.get(), static_cast<long>(o.ticket_lifetime.count()));
    SSL_CTX_set_session_ticket_cb(native_.get(), &server_engine::seal_ticket,
                                  &server_engine::open_ticket, nullptr);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(native_.get(), &server_engine::ticket_key);
}

}  // namespace detail

// server_config
// -------------------------------------------------------------------------------------------------

namespace {

server_options with_identity(identity id) {
    server_options options;
    options.identities.push_back(std::move(id));
    return options;
}

}  // namespace

server_config::server_config(server_options options)
    : state_(std::make_shared<detail::server_state>(std::move(options))) {}
server_config::server_config(identity id) : server_config(with_identity(std::move(id))) {}

void server_config::reload(server_options options) const { state_->reload(std::move(options)); }

std::shared_ptr<const server_options> server_config::options() const {
    return state_->current()->shared_options();
}

}  // namespace weft::tls
