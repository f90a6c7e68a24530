#pragma once

inline void handler(std::exception_ptr) {}
// compile only: asio::io_context ioc(1);
