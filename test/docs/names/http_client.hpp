#pragma once

#include <weft/http/layer/retry.hpp>

// compile only: http::client client;
