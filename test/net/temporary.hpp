// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

/// A directory of a test's own, with a short name (a Unix socket's path has 107 bytes).
class temporary_directory {
  public:
    temporary_directory() {
        char name[] = "/tmp/weft-XXXXXX";
        if (!::mkdtemp(name)) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};
