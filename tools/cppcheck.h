/* What cppcheck must be told of the libraries' macros, whose headers it does not read. */
#define json_array_foreach(array, index, value)                                                                        \
    for ((index) = 0; ((value) = json_array_get(array, index)) != NULL; (index)++)
#define json_object_foreach(object, key, value)                                                                        \
    for ((key) = next_key(object); (key) != NULL && ((value) = json_object_get(object, key)) != NULL;                  \
         (key) = next_key(object))
