#pragma once

struct names_core_secret : names {
    using names::names;
    weft::secret<std::string> password{"hunter2"};
    static void authenticate(const std::string&) {}
};
