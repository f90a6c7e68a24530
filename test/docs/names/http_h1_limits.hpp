#pragma once

#include <weft/http/h1/decoder.hpp>
