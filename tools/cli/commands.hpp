// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <span>

namespace weft::cli {

// Each command takes what stands behind its name and gives the exit status of the program.

int serve(std::span<char*> arguments);
int send(std::span<char*> arguments);
int resolve(std::span<char*> arguments);
int probe(std::span<char*> arguments);

}  // namespace weft::cli
