#pragma once

namespace my {
struct message {};
}  // namespace my
