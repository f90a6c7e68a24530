#pragma once

#include <weft/net/udp.hpp>

// compile only: net::framed socket
