#pragma once

inline weft::awaitable<void> echo(io::stream) { co_return; }
