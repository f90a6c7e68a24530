#pragma once

inline io::stream stream_;
inline std::array<asio::mutable_buffer, 1> buffers_;
