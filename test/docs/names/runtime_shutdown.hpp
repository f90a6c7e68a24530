#pragma once

// compile only: shutdown_signal()
