// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../tls/verified_host.hpp"
#include "client_state.hpp"
#include "connect_times.hpp"
#include "interim_port.hpp"
#include "url.hpp"
#include <weft/core/deadline.hpp>
#include <weft/core/failure.hpp>
#include <weft/dns/connector.hpp>
#include <weft/http/client.hpp>
#include <weft/http/layer/retry.hpp>
#include <weft/layer/timeout.hpp>
#include <weft/net/connect_attempts.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/tls/alpn.hpp>
#include <weft/tls/client_config.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/secured_for.hpp>

#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::http {

namespace {

/// A service instead of a network: it gets the request as a server would.
struct direct {
    any_service<http::request, response> app;
    std::string user_agent;

    awaitable<response> serve(http::request r) const {
        const detail::destination to = detail::destination_of(r);
        detail::prepare(r, to, user_agent);
        const auto* const listens = r.extensions().get<on_interim>();
        if (!listens || !listens->call) co_return co_await app.serve(std::move(r));
        const auto hints = std::make_shared<detail::direct_interim_port>(
            co_await boost::asio::this_coro::executor, *listens);
        hints->listen_to(r);
        std::optional<response> answer;
        std::exception_ptr thrown;
        try {
            answer = co_await app.serve(std::move(r));
        } catch (...) {
            thrown = std::current_exception();
        }
        hints->end();
        if (thrown) std::rethrow_exception(thrown);
        co_return std::move(*answer);
    }
};

/// Around the connector: notes how long the name took, where the connector says so.
struct noting : pipeable {
    template <class Next>
    awaitable<io::stream> serve(net::connect_request to, const Next& next) const {
        const extensions_link facts = to.extensions().link();
        io::stream made = co_await next(std::move(to));
        const auto* const tried = made.extensions().get<net::connect_attempts>();
        const auto* const times = facts.get<detail::connect_times>();
        if (tried && times && tried->from != net::answer_source::literal)
            detail::connect_times::note(times->dns, tried->resolved_after);
        co_return std::move(made);
    }
};

/// TLS for https, unless the connector has seen to it already.
class securing : public pipeable {
  public:
    explicit securing(const client_options& options)
        : shared_(std::make_shared<state>()),
          speaks_(options.protocol),
          limit_(options.handshake_timeout) {
        shared_->config = options.tls;
        if (options.protocol != protocol::http_1_1) alpn_.emplace_back(tls::alpn::h2);
        if (options.protocol != protocol::http_2) alpn_.emplace_back(tls::alpn::http_1_1);
    }

    template <class Next>
    awaitable<io::stream> serve(net::connect_request to, const Next& next) const {
        if (to.scheme != "https") return next(std::move(to));
        return secure(std::move(to), next);
    }

  private:
    struct state {
        std::once_flag once;
        std::optional<tls::client_config> config;
    };

    template <class Next>
    awaitable<io::stream> secure(net::connect_request to, const Next& next) const {
        const extensions_link facts = to.extensions().link();
        const tls::target name{to.host, to.port};
        io::stream below = co_await next(std::move(to));
        const tls::client_config* const own = facts.get<tls::client_config>();
        const auto* const given = facts.get<tls::connection_settings>();
        tls::connection_settings settings = given ? *given : tls::connection_settings();
        if (is_done(below, name, settings, own)) co_return std::move(below);
        tls::client_config config = own ? *own : usual();
        settings.alpn = offer(settings, config);
        const auto executor = co_await boost::asio::this_coro::executor;
        const clock& time = context_info::of(executor).clock();
        const clock::time_point began = time.now();
        io::stream above = co_await with_deadline(
            limit_, tls::handshake(std::move(below), std::move(config), name, std::move(settings)));
        if (const auto* const times = facts.get<detail::connect_times>())
            detail::connect_times::note(times->tls, time.now() - began);
        co_return std::move(above);
    }
    /// Whether TLS was made for this very server. That of a proxy on the way is another one.
    static bool is_done(const io::stream& below, const tls::target& to,
                        const tls::connection_settings& settings, const tls::client_config* own) {
        const auto* const by = below.extensions().get<tls::secured_for>();
        if (!by || by->port != to.port) return false;
        if (by->host != tls::detail::verified_host(to, settings)) return false;
        if (own && by->config != *own)
            throw failure(failure_kind::invalid_input,
                          "the connector makes TLS otherwise than the request demands")
                .in(failure_domain::local)
                .delivered(delivery::not_sent)
                .with("host", to.host);
        return true;
    }
    /// What is configured, without what we are not to speak.
    std::vector<std::string> offer(const tls::connection_settings& settings,
                                   const tls::client_config& config) const {
        if (!settings.alpn && config.options().alpn.empty()) return alpn_;
        std::vector<std::string> all = settings.alpn ? *settings.alpn : config.options().alpn;
        const bool none = all.empty();
        if (speaks_ == protocol::http_1_1) std::erase(all, tls::alpn::h2);
        if (speaks_ == protocol::http_2) std::erase(all, tls::alpn::http_1_1);
        if (all.empty() && !none)
            throw failure(
                failure_kind::invalid_input,
                "alpn of the TLS configuration names only what the client is not to speak")
                .in(failure_domain::local)
                .delivered(delivery::not_sent);
        return all;
    }
    /// The roots are read when somebody needs them.
    const tls::client_config& usual() const {
        std::call_once(shared_->once, [&] {
            if (!shared_->config) shared_->config.emplace();
        });
        return *shared_->config;
    }

    std::shared_ptr<state> shared_;
    protocol speaks_;
    std::vector<std::string> alpn_;
    std::chrono::milliseconds limit_;
};

pool make_pool(net::connector connector, const client_options& options) {
    return pool(handshake(options) >> securing(options) >> noting() >>
                    weft::timeout(options.connect_timeout) >> connector,
                options);
}

using transport_of_client = any_service<request, response>;

std::shared_ptr<client::state> make_state(pool p, std::string names) {
    auto made = std::make_shared<client::state>();
    made->pool = p;
    made->transport = transport_of_client(std::move(p));
    made->names = "pool -> http handshake" + std::move(names);
    return made;
}

/// The layers that options ask for, the innermost first.
void add_layers(client::state& s, const client_options& options) {
    const auto around = [&](auto layer, std::string_view name) {
        s.transport = transport_of_client(std::move(layer) >> s.transport);
        s.names.insert(0, std::string(name) + " -> ");
    };
    if (options.decompress) around(decompress(*options.decompress), "decompress");
    if (options.cookies) around(cookies(*options.cookies), "cookies");
    if (options.retry) around(retry(*options.retry), "retry");
    if (options.redirects) around(follow_redirects(*options.redirects), "redirects");
}

}  // namespace

std::string detail::stack_name(std::string_view type) {
    std::string name;
    int depth = 0;
    for (std::size_t i = 0; i < type.size(); ++i) {
        const char c = type[i];
        if (c == '<' || c == '(') {
            ++depth;
        } else if (c == '>' || c == ')') {
            --depth;
        } else if (depth == 0) {
            if (c == ':')
                name.clear();
            else
                name.push_back(c == '_' ? ' ' : c);
        }
    }
    return name.empty() || name.find('{') != name.npos ? "a function" : name;
}

client::client(client_options options)
    : client(dns::connector(), std::move(options), "happy eyeballs -> dns -> tcp") {}

client::client(net::connector connector, client_options options, std::string names)
    : state_(make_state(make_pool(std::move(connector), options),
                        " -> tls -> connect timeout -> " + std::move(names))) {
    add_layers(*state_, options);
}

client::client(any_service<http::request, response> transport, client_options options,
               std::string names)
    : state_(std::make_shared<state>()) {
    state_->transport =
        any_service<http::request, response>(direct{std::move(transport), options.user_agent});
    state_->names = std::move(names);
    add_layers(*state_, options);
}

client::client(http::pool pool) : state_(make_state(std::move(pool), "")) {}

const any_service<request, response>& client::transport() const noexcept {
    return state_->transport;
}

client client::around(any_service<http::request, response> whole, std::string names) const {
    auto made = std::make_shared<state>(*state_);
    made->transport = std::move(whole);
    made->names = std::move(names) + " -> " + state_->names;
    return client(std::move(made));
}

std::string client::describe() const { return state_->names; }

pool_statistics client::statistics() const {
    return state_->pool ? state_->pool->statistics() : pool_statistics{};
}

awaitable<response> client::serve(http::request r) const {
    const auto state = state_;
    co_return co_await detail::send_through(*state, std::move(r));
}

awaitable<response> detail::send_through(const client::state& state, request r) {
    const auto until = deadline_of(r);
    awaitable<response> exchange = state.transport.serve(std::move(r));
    if (!until) return exchange;
    return with_deadline(until->at, std::move(exchange));
}

awaitable<void> client::close() const {
    const auto state = state_;
    if (state->pool) co_await state->pool->close();
}

request_builder client::request(const method& m, std::string_view url) const {
    return {state_, m, url};
}
request_builder client::get(std::string_view url) const { return request(method::get, url); }
request_builder client::head(std::string_view url) const { return request(method::head, url); }
request_builder client::post(std::string_view url) const { return request(method::post, url); }
request_builder client::put(std::string_view url) const { return request(method::put, url); }
request_builder client::patch(std::string_view url) const { return request(method::patch, url); }
request_builder client::delete_(std::string_view url) const {
    return request(method::delete_, url);
}

}  // namespace weft::http
