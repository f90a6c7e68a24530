// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Everything from core to http: what the examples include.
// A larger program includes the headers that it uses.

#include <weft/core/any_service.hpp>
#include <weft/core/attempt.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/core/bytes.hpp>
#include <weft/core/customization.hpp>
#include <weft/core/deadline.hpp>
#include <weft/core/extensions.hpp>
#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/core/logfmt_observer.hpp>
#include <weft/core/observe.hpp>
#include <weft/core/per_core.hpp>
#include <weft/core/service.hpp>
#include <weft/http/client.hpp>
#include <weft/http/connection.hpp>
#include <weft/http/json.hpp>
#include <weft/http/layer/timeout.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/serve.hpp>
#include <weft/http/server.hpp>
#include <weft/io/duplex.hpp>
#include <weft/io/prefixed.hpp>
#include <weft/io/stream.hpp>
#include <weft/layer/log_slow.hpp>
#include <weft/layer/timeout.hpp>
#include <weft/net/listener.hpp>
#include <weft/net/serve.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/channel.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/graceful.hpp>
#include <weft/runtime/mutex.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/semaphore.hpp>
#include <weft/runtime/shielded.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>
