// What a user's project looks like from outside: built by test/install/run through pkg-config,
// CMake and Meson.
#include <weft/core/any_service.hpp>
#include <weft/core/bytes.hpp>
#include <weft/core/failure.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

int main() {
    const weft::bytes hello = std::string("hello world");
    try {
        throw std::runtime_error("as meant");
    } catch (...) {
        const auto f = weft::failure::from(std::current_exception());
        std::cout << hello.slice(6).view() << ": " << f.what() << '\n';
    }
    return hello.slice(6) == "world" ? 0 : 1;
}
